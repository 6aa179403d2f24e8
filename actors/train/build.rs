//! Link arguments for this crate's tests and examples: where libtorch lies at run time, and its CUDA half kept in the
//! program. Cargo hands no link arguments of tch on to dependants, so every package with an executable needs the same
//! few lines. Not for fetching or compiling anything: torch-sys does that.

use std::path::PathBuf;

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
}
