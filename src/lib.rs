//! The application around the pipeline: command line, recipes, runs, reports.
//! A library so that its parts can be tested; `main.rs` is the program. Not here: reading shards (`fastgarden-data`)
//! and nets (`fastgarden-train`).

// The macros panic when nobody reads any more: see `told`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// From what was typed to what is to be done.
pub mod cli;
pub mod examples;
pub mod exit;
pub mod recipe;
pub mod rules;
pub mod run_spec;

// Files of a run, and what is made of them for others.
pub mod history;
pub mod report;
pub mod series;
pub mod referee;
pub mod submission;

// What people see.
pub mod markup;
pub mod page;
pub mod epoch_table;
pub mod progress;
pub mod table;
pub mod told;
pub mod recipes_command;
pub mod runs_command;
pub mod telemetry;

// Commands, from parsed arguments to an exit code.
pub mod commands;
pub mod child;
pub mod data_set;
pub mod source;
pub mod transforms;
pub mod weights;
pub mod interrupt;
pub mod library_settings;
pub mod memory_estimate;
pub mod train_command;
pub mod evaluate_command;
pub mod predict_command;
pub mod export_command;
pub mod lr_find_command;
pub mod submit_command;
pub mod sweep_command;
pub mod verify_command;
pub mod bench_command;
pub mod data_commands;
pub mod report_html;
pub mod leaderboard;
