//! Augmented batches from TFRecords in another program: `cargo run --example batches -p fastgarden-data -- PATH`.

use fastgarden_data::loader::{Loader, LoaderOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which folder of shards?")?;
    let loader = Loader::open(&path, LoaderOptions::default())?;
    for batch in loader.epoch(1)? {
        let batch = batch?;
        println!(
            "{} images of {:?}, first labels {:?}",
            batch.len(),
            batch.view_size(0),
            &batch.labels()[..4.min(batch.len())]
        );
    }
    Ok(())
}
