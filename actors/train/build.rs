//! Link arguments for this crate's tests and examples: where libtorch lies at run time, and its CUDA half kept in the
//! program. Cargo hands no link arguments of tch on to dependants, so every package with an executable needs the same
//! few lines. With the feature `cuda-memory-cap` it also compiles the few lines of C++ that limit CUDA's allocator.
//! Not for fetching anything: torch-sys does that.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Set by cargo for direct dependants of torch-sys (its `links` key is "tch"); absent in torch-sys's doc-only mode.
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else { return };
    // A relative or linked path would be looked up from wherever the program is started.
    let lib = lib.canonicalize().unwrap_or(lib);
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if lib.join("libtorch_cuda.so").exists() {
        // No symbol of libtorch_cuda is used directly, so a linker that drops unused libraries would drop it, and
        // the program would report that there is no GPU.
        println!("cargo:rustc-link-search=native={}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo:rustc-link-arg=-ltorch");
        println!("cargo:rustc-link-arg=-Wl,--as-needed");
    }
    if std::env::var_os("CARGO_FEATURE_CUDA_MEMORY_CAP").is_some() {
        compile_memory_cap(&lib);
    }
}

/// Needs a libtorch with CUDA in it and the headers of the CUDA toolkit.
#[cfg(feature = "cuda-memory-cap")]
fn compile_memory_cap(lib: &Path) {
    const SOURCE: &str = "src/memory_cap.cpp";
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
    assert!(
        lib.join("libc10_cuda.so").exists(),
        "the feature cuda-memory-cap needs a libtorch with CUDA, and {} has none: build without the feature",
        lib.display()
    );
    let cuda = std::env::var_os("CUDA_HOME").map_or_else(|| PathBuf::from("/usr/local/cuda"), PathBuf::from);
    let cuda = cuda.join("include");
    assert!(
        cuda.join("cuda_runtime_api.h").exists(),
        "the feature cuda-memory-cap needs the CUDA toolkit's headers, and {} has none: set CUDA_HOME, or build without \
         the feature",
        cuda.display()
    );
    let include = lib.parent().map(|root| root.join("include")).expect("libtorch's lib is within its folder");
    let mut build = cc::Build::new();
    build.cpp(true).warnings(false).include(include).include(cuda).std("c++17").file(SOURCE);
    build.compile("fastgarden_memory_cap");
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=c10_cuda");
}

#[cfg(not(feature = "cuda-memory-cap"))]
fn compile_memory_cap(_: &Path) {}
