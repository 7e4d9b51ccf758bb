//! The software driver of Vulkan, which stands in the tests for a graphics card.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::compiler::compiler;
use super::program::{Program, Scratch};
use super::root;
use super::skip::skip;

/// What is in the environment of a program that is to see the software driver and no other; none
/// where there is no such driver, or no loader.
pub fn vulkan() -> Option<&'static [(&'static str, &'static str)]> {
    static THERE: OnceLock<Option<[(&str, &str); 4]>> = OnceLock::new();
    let there = THERE.get_or_init(|| {
        let driver = driver().filter(|_| has_loader())?;
        let driver: &str = Box::leak(driver.to_str()?.to_owned().into_boxed_str());
        Some([
            // That driver alone: the tests are the same wherever they run, and no card is used by
            // chance. The second is what loaders from 1.3.207 on call it.
            ("VK_ICD_FILENAMES", driver),
            ("VK_DRIVER_FILES", driver),
            // Mesa's layer that chooses among cards looks for a display, and tells of it on stderr.
            ("NODEVICE_SELECT", "1"),
            // What the machine's user has chosen for other programs isn't for these.
            ("ADIT_GPU", ""),
        ])
    });
    there.as_ref().map(<[_; 4]>::as_slice)
}

/// What a test that is skipped for want of it says is missing.
pub const MISSING: &str = "a software driver of Vulkan: mesa-vulkan-drivers, libvulkan1";

/// The file that tells the loader of the software driver.
fn driver() -> Option<PathBuf> {
    let folders = [
        "/usr/share/vulkan/icd.d",
        "/usr/local/share/vulkan/icd.d",
        "/etc/vulkan/icd.d",
    ];
    let mut entries: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let this = format!("lvp_icd.{}.json", std::env::consts::ARCH);
            name == this || name == "lvp_icd.json"
        })
        .collect();
    entries.sort();
    entries.into_iter().next()
}

/// Whether the dynamic linker knows libvulkan.
fn has_loader() -> bool {
    ["ldconfig", "/sbin/ldconfig"].iter().any(|tool| {
        Command::new(tool).arg("-p").output().is_ok_and(|listing| {
            String::from_utf8_lossy(&listing.stdout).contains("libvulkan.so.1 ")
        })
    })
}

/// Whether C programs can use Vulkan's headers.
pub fn has_headers() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let scratch = Scratch::new("has-vulkan");
        let source: &Path = &scratch.path().join("program.c");
        let text = "#include <vulkan/vulkan.h>\nint main(void) { return 0; }\n";
        std::fs::write(source, text).unwrap();
        let checked = compiler(false).arg("-fsyntax-only").arg(source).output();
        checked.is_ok_and(|output| output.status.success())
    })
}

/// Runs a program that uses the software driver under the layer that checks the uses of Vulkan, and
/// the barriers between them: what it finds is told on stderr, where nothing may be.
pub fn run_validated(program: &Program, driver: &[(&str, &str)]) {
    let folders = ["/usr/share", "/usr/local/share", "/etc"];
    let layer = "vulkan/explicit_layer.d/VkLayer_khronos_validation.json";
    if !folders
        .iter()
        .any(|folder| Path::new(folder).join(layer).exists())
    {
        return skip("the uses of Vulkan", "its layer: vulkan-validationlayers");
    }
    let scratch = Scratch::new("validation");
    let settings = scratch.path().join("vk_layer_settings.txt");
    let text = "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG\n\
                khronos_validation.report_flags = error,warn\n\
                khronos_validation.log_filename = /dev/stderr\n\
                khronos_validation.enables = \
                VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT\n";
    std::fs::write(&settings, text).unwrap();
    let mut environment = driver.to_vec();
    environment.push(("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation"));
    environment.push(("VK_LAYER_SETTINGS_PATH", settings.to_str().unwrap()));
    program.run(&[], &environment);
}

/// Runs a program that uses the software driver in valgrind.
pub fn run_in_valgrind(program: &Program, driver: &[(&str, &str)]) {
    let file = root().join("tests/valgrind-gpu.supp");
    let suppressions = format!("--suppressions={}", file.display());
    program.run_in_valgrind_with(&[&suppressions], driver);
}
