//! Where two texts first differ.

/// Lines shown before and after the first difference.
const CONTEXT: usize = 3;

/// The first differing line with its surroundings, or `None` when the texts are the same.
pub fn first_difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let old: Vec<&str> = committed.split('\n').collect();
    let new: Vec<&str> = generated.split('\n').collect();
    let at = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let mut hint = vec![
        "--- include/adit.h (committed)".to_owned(),
        "+++ include/adit.h (generated)".to_owned(),
        format!("@@ line {} @@", at + 1),
    ];
    let before = old.iter().take(at).skip(at.saturating_sub(CONTEXT));
    hint.extend(before.map(|line| format!(" {line}")));
    hint.extend(
        old.iter()
            .skip(at)
            .take(CONTEXT)
            .map(|line| format!("-{line}")),
    );
    hint.extend(
        new.iter()
            .skip(at)
            .take(CONTEXT)
            .map(|line| format!("+{line}")),
    );
    Some(hint.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn same_texts_have_no_difference() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn the_first_difference_is_shown_with_its_line() {
        let hint = first_difference("a\nb\nc\n", "a\nX\nc\n").unwrap_or_default();
        assert!(
            hint.contains("@@ line 2 @@\n a\n-b\n-c\n-\n+X\n+c\n+"),
            "{hint}"
        );
    }

    #[test]
    fn a_missing_end_is_a_difference() {
        let hint = first_difference("a", "a\nb").unwrap_or_default();
        assert!(hint.contains("@@ line 2 @@\n a\n+b"), "{hint}");
    }
}
