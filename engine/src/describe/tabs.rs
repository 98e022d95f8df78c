//! Go's text/tabwriter with the settings of kubectl: cells end with a tab and are padded with blanks to the width of
//! their column, plus two.
//!
//! A column is made by lines that follow each other and have a cell in it; a line without one ends it. Text after a
//! line's last tab belongs to no column.

/// Between two columns.
const PADDING: usize = 2;

/// The text with its tabs made into columns.
pub(super) fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut first = 0;
        while first < lines.len() {
            // The last cell of a line does not end with a tab.
            let in_column = |line: &Vec<&str>| column + 1 < line.len();
            let length = lines[first..].iter().take_while(|line| in_column(line)).count();
            let block = first..first + length;
            let widest = lines[block.clone()].iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
            for line in &mut widths[block] {
                line[column] = widest + PADDING;
            }
            first += length.max(1);
        }
    }
    let mut out = String::new();
    for (n, (cells, widths)) in lines.iter().zip(&widths).enumerate() {
        if n > 0 {
            out.push('\n');
        }
        for (cell, width) in cells.iter().zip(widths) {
            out.push_str(&format!("{cell:<width$}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_lasts_as_long_as_its_cells_follow_each_other() {
        let text = "Name:\ta\nAPI Version:\tv1\nSpec:\n  b:\tc\n  long one:\td\n";
        assert_eq!(align(text), "Name:         a\nAPI Version:  v1\nSpec:\n  b:         c\n  long one:  d\n");
    }

    #[test]
    fn inner_columns_align_within_the_lines_that_have_them() {
        assert_eq!(align("a\tbbb\tc\nx\ty\nz\tw\tv"), "a  bbb  c\nx  y\nz  w  v");
    }

    #[test]
    fn width_is_counted_in_letters() {
        assert_eq!(align("证书\tb\nabc\td"), "证书   b\nabc  d");
    }
}
