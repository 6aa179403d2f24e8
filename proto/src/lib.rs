//! The layouts of everything that leaves the process: ledger lines, ticket lines, observation snapshots, TensorBoard's
//! events.
//!
//! Generated from the `.proto` files beside this crate, with serde, so that JSON files and (later) wire messages share
//! one definition. Not here: behaviour. Hashing, chaining and file handling live with their owners.

/// Ledger lines.
#[allow(missing_docs, reason = "generated; the .proto file holds the documentation")]
pub mod ledger {
    include!(concat!(env!("OUT_DIR"), "/fastgarden.ledger.rs"));
}

/// Ticket lines.
#[allow(missing_docs, reason = "generated; the .proto file holds the documentation")]
pub mod ticket {
    include!(concat!(env!("OUT_DIR"), "/fastgarden.ticket.rs"));
}

/// Snapshots of a running pipeline.
#[allow(missing_docs, reason = "generated; the .proto file holds the documentation")]
pub mod observe {
    include!(concat!(env!("OUT_DIR"), "/fastgarden.observe.rs"));
}

/// Records of TensorBoard's event files.
#[allow(missing_docs, reason = "generated; the .proto file holds the documentation")]
pub mod tensorboard {
    include!(concat!(env!("OUT_DIR"), "/fastgarden.tensorboard.rs"));
}
