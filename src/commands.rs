//! From a parsed command line to the code that does it.
//! Not here: the work itself.

use crate::cli::Command;
use crate::exit::Failure;
use crate::{
    bench_command, data_commands, evaluate_command, export_command, leaderboard, lr_find_command, memory_estimate,
    predict_command, recipes_command, report_html, runs_command, submit_command, sweep_command, train_command,
    verify_command,
};

/// Runs one command to its end.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Runs(command) => runs_command::run(&command),
        Command::Recipes(command) => recipes_command::run(&command),
        Command::RehearseMemory(args) => memory_estimate::rehearse::run(&args),
        Command::Train(args) => train_command::run(&args),
        Command::Evaluate(args) => evaluate_command::run(&args),
        Command::Predict(args) => predict_command::run(&args),
        Command::Export(args) => export_command::run(&args),
        Command::Report(command) => report_html::run(&command),
        Command::Leaderboard(command) => leaderboard::run(&command),
        Command::LrFind(args) => lr_find_command::run(&args),
        Command::Sweep(args) => sweep_command::run(&args),
        Command::Submit(args) => submit_command::run(&args),
        Command::Verify(args) => verify_command::run(&args),
        Command::Bench(args) => bench_command::run(&args),
        Command::Data(command) => data_commands::run(&command),
    }
}
