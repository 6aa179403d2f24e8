//! Compiles the observer against the libtorch that torch-sys links, as torch-sys compiles its own C++.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=src/observer.cpp");
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    // Absent in torch-sys's doc-only mode, which links nothing.
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else { return };
    let include = lib.parent().map(|root| root.join("include")).expect("libtorch's lib is within its folder");
    cc::Build::new()
        .cpp(true)
        .warnings(false)
        .include(include)
        .std("c++17")
        .file("src/observer.cpp")
        .compile("fastgarden_call_counter");
}
