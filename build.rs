//! Lets the binary, its tests, examples and benches find libtorch at run time without LD_LIBRARY_PATH, and keeps its
//! CUDA half, of which no symbol is used directly, from being dropped. Not for fetching it: that is `cargo xtask setup`.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // torch-sys hands its folder only to crates that depend on it directly, and none at all in its doc-only mode.
    let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else { return };
    // The real folder rather than the checkout's link, so that a copied binary goes on working.
    let folder = folder.canonicalize().unwrap_or(folder);
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
    if folder.join("libtorch_cuda.so").exists() {
        for argument in ["-Wl,--no-as-needed", "-ltorch_cuda", "-ltorch", "-Wl,--as-needed"] {
            println!("cargo::rustc-link-arg={argument}");
        }
    }
}
