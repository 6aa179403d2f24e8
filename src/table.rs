//! How tables of commands look: columns without lines, a rule under the header.
//! Not here: what is in them, or the table of epochs, whose rows are printed as they come (epoch_table.rs).

use comfy_table::{Cell, Color, ContentArrangement, LineStyle, Table, TableStyle};

/// A line under the header, none between columns or rows.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A column's title. Colours are left out by the table itself where standard output is no terminal.
pub fn header(text: &str) -> Cell {
    Cell::new(text).fg(Color::DarkGrey)
}

/// Columns without lines, wrapped to the terminal or to 100 columns.
pub fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(100);
    }
    table
}

/// A table without the spaces that fill its lines up.
pub fn trimmed(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
