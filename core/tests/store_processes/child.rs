//! Children: this test's own program, run again for one ignored test, which is the child's part.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SPEC: &str = "ADIT_TEST_CHILD";

/// What a child was asked to do; none where the test was started by nobody's child.
pub fn spec() -> Option<Vec<String>> {
    let spec = std::env::var(SPEC).ok()?;
    Some(spec.split('\u{1f}').map(str::to_owned).collect())
}

/// Tells the parent, at once.
pub fn say(line: &str) {
    // One write of a short line is whole, and not captured.
    let line = format!("\n@{line}\n");
    let mut out = std::io::stdout();
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What the parent said; empty where it is gone.
pub fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// A running child and what it says.
pub struct Running {
    pub child: Child,
    out: BufReader<ChildStdout>,
    stdin: Option<ChildStdin>,
}

impl Running {
    /// Runs the ignored test `part` with these words.
    pub fn start(part: &str, spec: &[String]) -> Running {
        Running::start_with(part, spec, |_| {})
    }

    pub fn start_with(part: &str, spec: &[String], with: impl FnOnce(&mut Command)) -> Running {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([
                "--exact",
                part,
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(SPEC, spec.join("\u{1f}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        with(&mut command);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let stdin = child.stdin.take();
        Running { child, out, stdin }
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the child said; none once it is gone.
    pub fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            // The test runner's own words stand between empty lines.
            let line = line.trim_end();
            if let Some(said) = line.strip_prefix('@') {
                return Some(said.to_owned());
            }
            assert!(!line.contains("panicked"), "{line}");
        }
    }

    /// The child's next line must be this.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        assert_eq!(self.next().as_deref(), Some(line));
    }

    /// Kills the child; `next` goes on to give what it said before.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for the child's end.
    pub fn finish(mut self) -> bool {
        drop(self.stdin.take());
        while self.next().is_some() {}
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
