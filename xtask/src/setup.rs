//! Set-up: decides which libtorch this checkout uses and sees that it is there. Not for building with it.

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::problem::{Problem, Result};
use crate::wheels::{Platform, VERSION, Variant, Wheels};
use crate::{libtorch, link};

/// The first driver that runs what is built with CUDA 13.
const DRIVER_MAJOR_MIN: u32 = 580;

/// `cargo xtask setup`: looks at the machine anew and says what it found.
pub fn explicit(root: &Path, environment: &Environment, choice: Option<Variant>) -> Result<()> {
    let folder = match users_own(environment)? {
        Some(folder) => folder,
        None => from_cache(environment, choice)?,
    };
    use_folder(root, environment, &folder)?;
    eprintln!("set up: {} -> {}", link::NAME, folder.display());
    Ok(())
}

/// Before `train` and `test`: silent when the checkout has a libtorch, whoever chose it.
pub fn if_needed(root: &Path, environment: &Environment) -> Result<()> {
    let folder = match users_own(environment)? {
        Some(folder) => folder,
        None if is_linked(root, environment)? => return Ok(()),
        None => {
            let folder = from_cache(environment, None)?;
            eprintln!("the first build takes several minutes: libtorch's C++ interface is compiled, once");
            folder
        }
    };
    use_folder(root, environment, &folder)
}

/// Whether the link leads to a sound libtorch. One of the cache that is damaged counts as absent: it can be fetched.
fn is_linked(root: &Path, environment: &Environment) -> Result<bool> {
    let Some(folder) = link::target(root) else { return Ok(false) };
    match check(&folder, environment) {
        Ok(()) => Ok(true),
        Err(_) if libtorch::is_in_cache(&folder, environment) => Ok(false),
        Err(problem) => Err(problem),
    }
}

fn use_folder(root: &Path, environment: &Environment, folder: &Path) -> Result<()> {
    if link::is_elsewhere(root, folder) {
        // Before the link is moved, so that an interrupted set-up does it again. cargo sees only the link's name,
        // which stays the same.
        eprintln!("libtorch changes: its C++ interface will be compiled again");
        for profile in ["dev", "release"] {
            let cleaned = environment
                .cargo()
                .current_dir(root)
                .args(["clean", "--quiet", "--package", "torch-sys", "--profile", profile])
                .status()
                .map_err(Problem::io("starting cargo", root))?;
            if !cleaned.success() {
                return Err(Problem::Step { step: "cargo clean --package torch-sys".to_owned() });
            }
        }
    }
    link::point(root, folder)
}

/// The libtorch that LIBTORCH names, checked.
fn users_own(environment: &Environment) -> Result<Option<PathBuf>> {
    let Some(folder) = environment.variable("LIBTORCH").map(PathBuf::from) else { return Ok(None) };
    if folder.is_relative() {
        return Err(Problem::RelativeLibtorch { folder });
    }
    check(&folder, environment)?;
    Ok(Some(folder))
}

/// Whether a folder is a libtorch of the right version.
fn check(folder: &Path, environment: &Environment) -> Result<()> {
    for missing in [libtorch::LIBRARY, "include/torch/csrc/api/include/torch/version.h"] {
        if !folder.join(missing).is_file() {
            return Err(Problem::NotLibtorch { folder: folder.to_path_buf(), missing });
        }
    }
    let found = version_of(folder).unwrap_or_else(|| "of unknown version".to_owned());
    let is_right = VERSION.strip_suffix(".0").is_some_and(|minor| found == minor);
    if is_right || environment.variable("LIBTORCH_BYPASS_VERSION_CHECK").is_some() {
        return Ok(());
    }
    Err(Problem::WrongVersion { folder: folder.to_path_buf(), found })
}

/// Major and minor version, from the headers: newer releases keep them in the first file, older ones in the second.
fn version_of(folder: &Path) -> Option<String> {
    let headers = ["include/torch/headeronly/version.h", "include/torch/csrc/api/include/torch/version.h"];
    headers.iter().find_map(|header| {
        let text = std::fs::read_to_string(folder.join(header)).ok()?;
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name))?;
            line.trim().parse::<u32>().ok()
        };
        Some(format!("{}.{}", number("TORCH_VERSION_MAJOR ")?, number("TORCH_VERSION_MINOR ")?))
    })
}

fn from_cache(environment: &Environment, choice: Option<Variant>) -> Result<PathBuf> {
    let platform = Platform::from_names(std::env::consts::OS, std::env::consts::ARCH, cfg!(target_env = "musl"))?;
    check_compiler(environment)?;
    let variant = choice.unwrap_or_else(|| variant_for(environment, platform));
    let cache = libtorch::cache_folder(environment)?;
    libtorch::ensure(environment, &cache, &Wheels::new(platform, variant)?)
}

/// torch-sys compiles C++; better to say so before half a gigabyte is fetched.
fn check_compiler(environment: &Environment) -> Result<()> {
    let name = environment.variable("CXX").map_or("c++".to_owned(), |name| name.to_string_lossy().into_owned());
    // CXX may hold a path, or a wrapper before the compiler ("ccache g++").
    let program = name.split_whitespace().next().unwrap_or_default();
    if environment.program(program).is_some() || (program.contains('/') && Path::new(program).is_file()) {
        return Ok(());
    }
    Err(Problem::CompilerMissing { name })
}

fn variant_for(environment: &Environment, platform: Platform) -> Variant {
    if platform == Platform::MacArm {
        return Variant::Cpu;
    }
    let Some(gpu) = find_gpu(environment) else {
        eprintln!("no NVIDIA GPU found: the CPU part of libtorch will do (--cuda fetches all of it)");
        return Variant::Cpu;
    };
    eprintln!("found {gpu}: libtorch with CUDA 13 it is");
    if let Some(driver) = gpu.driver_major().filter(|major| *major < DRIVER_MAJOR_MIN) {
        eprintln!(
            "note: driver {driver} is older than CUDA 13 needs ({DRIVER_MAJOR_MIN}): update it to train on the GPU, or train with --device cpu"
        );
    }
    Variant::Cuda
}

struct Gpu {
    description: String,
}

impl Gpu {
    /// The description is nvidia-smi's "name, driver version".
    fn driver_major(&self) -> Option<u32> {
        self.description.rsplit(", ").next()?.split('.').next()?.parse().ok()
    }
}

impl std::fmt::Display for Gpu {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.description.rsplit_once(", ") {
            Some((name, driver)) => write!(formatter, "{name} (driver {driver})"),
            None => formatter.write_str(&self.description),
        }
    }
}

/// The first NVIDIA GPU: nvidia-smi knows names; where it is missing the driver's own folder shows that there is one.
fn find_gpu(environment: &Environment) -> Option<Gpu> {
    if let Some(program) = environment.program("nvidia-smi") {
        let query = ["--query-gpu=name,driver_version", "--format=csv,noheader"];
        if let Ok(output) = environment.command(program).args(query).output()
            && output.status.success()
            && let Some(line) = String::from_utf8_lossy(&output.stdout).lines().find(|line| line.contains(", "))
        {
            return Some(Gpu { description: line.trim().to_owned() });
        }
    }
    let mut devices = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    devices.next().map(|_| Gpu { description: "an NVIDIA GPU".to_owned() })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A folder that looks like libtorch of that version.
    fn libtorch_of(major: u32, minor: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let header = folder.path().join("include/torch/csrc/api/include/torch/version.h");
        fs::create_dir_all(header.parent().expect("a parent")).expect("folders");
        let text = format!("#define TORCH_VERSION_MAJOR {major}\n#define TORCH_VERSION_MINOR {minor}\n");
        fs::write(header, text).expect("a header");
        fs::create_dir(folder.path().join("lib")).expect("a folder");
        fs::write(folder.path().join(libtorch::LIBRARY), "").expect("a library");
        folder
    }

    fn environment_with_libtorch(folder: &Path) -> Environment {
        Environment::of(&[("LIBTORCH", folder.as_os_str())])
    }

    #[test]
    fn the_users_own_libtorch_is_taken_when_it_is_the_right_one() {
        let folder = libtorch_of(2, 13);
        let environment = environment_with_libtorch(folder.path());
        assert_eq!(users_own(&environment).expect("the right version").as_deref(), Some(folder.path()));
    }

    #[test]
    fn another_version_is_refused_unless_the_user_insists() {
        let folder = libtorch_of(2, 9);
        let environment = environment_with_libtorch(folder.path());
        let problem = users_own(&environment).expect_err("another version").to_string();
        assert!(problem.contains("2.9") && problem.contains(VERSION), "{problem}");
        let insisting = environment.with("LIBTORCH_BYPASS_VERSION_CHECK", "1");
        assert!(users_own(&insisting).is_ok());
    }

    #[test]
    fn a_folder_that_is_no_libtorch_is_told_what_it_lacks() {
        let folder = libtorch_of(2, 13);
        fs::remove_file(folder.path().join(libtorch::LIBRARY)).expect("removed");
        let problem = users_own(&environment_with_libtorch(folder.path())).expect_err("no library").to_string();
        assert!(problem.contains("libtorch_cpu"), "{problem}");
        let problem = users_own(&environment_with_libtorch(Path::new("torch"))).expect_err("relative");
        assert!(matches!(problem, Problem::RelativeLibtorch { .. }), "{problem}");
    }

    #[test]
    fn a_machine_without_a_compiler_is_told_before_anything_is_fetched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let environment = Environment::of(&[("PATH", folder.path().as_os_str())]);
        let problem = check_compiler(&environment).expect_err("no compiler").to_string();
        assert!(problem.contains("c++") && problem.contains("apt install g++"), "{problem}");

        let compiler = folder.path().join("clang++");
        fs::write(&compiler, "").expect("a file");
        fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).expect("permissions");
        assert!(check_compiler(&environment.with("CXX", "clang++ -stdlib=libc++")).is_ok());
    }

    #[test]
    fn a_linked_libtorch_that_is_not_ours_is_reported_when_damaged_and_ours_is_fetched_again() {
        let (root, folder) = (tempfile::tempdir().expect("a temporary folder"), libtorch_of(2, 13));
        let cache = folder.path().parent().expect("a parent");
        let ours = Environment::of(&[("FASTGARDEN_CACHE", cache.as_os_str())]);
        let others = Environment::of(&[("FASTGARDEN_CACHE", OsStr::new("/elsewhere"))]);
        assert!(!is_linked(root.path(), &others).expect("no link yet"));
        link::point(root.path(), folder.path()).expect("linked");
        assert!(is_linked(root.path(), &others).expect("sound"));
        fs::remove_file(folder.path().join(libtorch::LIBRARY)).expect("removed");
        assert!(matches!(is_linked(root.path(), &others), Err(Problem::NotLibtorch { .. })));
        assert!(!is_linked(root.path(), &ours).expect("ours, so no error"));
    }

    #[test]
    fn the_gpu_and_its_driver_are_read_from_nvidia_smi() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("nvidia-smi");
        let environment = Environment::of(&[("PATH", folder.path().as_os_str())]);
        fs::write(&program, "#!/bin/sh\necho NVIDIA H100, 535.104.05\n").expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
        let gpu = find_gpu(&environment).expect("a GPU");
        assert_eq!(gpu.to_string(), "NVIDIA H100 (driver 535.104.05)");
        assert_eq!(gpu.driver_major(), Some(535));
    }
}
