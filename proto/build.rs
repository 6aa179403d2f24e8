//! Compiles the .proto files in pure Rust (protox, no protoc), with serde so that the same types are the JSON lines.

use std::io::Result;

fn main() -> Result<()> {
    let files = ["ticket.proto", "ledger.proto", "observe.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["."]).map_err(std::io::Error::other)?;
    prost_build::Config::new()
        .type_attribute(".", "#[derive(serde::Serialize, serde::Deserialize)]")
        .type_attribute(".fastgarden.ledger.Line.line", "#[serde(rename_all = \"snake_case\")]")
        .field_attribute(
            ".fastgarden.ticket.View.distortion",
            "#[serde(default, skip_serializing_if = \"Vec::is_empty\")]",
        )
        .field_attribute(
            ".fastgarden.ticket.View.shown",
            "#[serde(default, skip_serializing_if = \"Option::is_none\")]",
        )
        .field_attribute(
            ".fastgarden.ledger.Epoch.losses",
            "#[serde(default, skip_serializing_if = \"Vec::is_empty\")]",
        )
        // Of later versions of the ledger than its first, which can still be read that far.
        .field_attribute(".fastgarden.ledger.Opening.validation_records", "#[serde(default)]")
        .field_attribute(".fastgarden.ledger.Opening.judged_on", "#[serde(default)]")
        .field_attribute(".fastgarden.ledger.Stage.records", "#[serde(default)]")
        .compile_fds(descriptors)
}
