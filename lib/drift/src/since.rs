//! Which rows of the ledger are newer than the recorded schema.

use migrations::{LedgerRow, RowState, ledger_state};

/// How old a recorded schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It belongs to the ledger as it is.
    Current,
    /// The rows from this one on came after it: a run ended before it could record what it had done.
    Before(usize),
    /// It belongs to no state that the ledger went through.
    Unknown,
}

/// The age of the schema that was recorded for the ledger's state `recorded`.
pub(crate) fn age(rows: &[LedgerRow], recorded: &str) -> Age {
    // Runs end seldom before their end, and then not long before: the newest state first.
    for count in (0..=rows.len()).rev() {
        let (then, after) = rows.split_at(count);
        if ledger_state(then) == recorded {
            return match after {
                [] => Age::Current,
                _ => Age::Before(count),
            };
        }
        // It may have been recorded while its last row was dirty, which somebody has ended since.
        if let Some((last, earlier)) = then.split_last()
            && last.state == RowState::Applied
        {
            let mut then = earlier.to_vec();
            then.push(LedgerRow {
                state: RowState::Started,
                ..last.clone()
            });
            if ledger_state(&then) == recorded {
                return Age::Before(count - 1);
            }
        }
    }
    Age::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u8) -> Vec<LedgerRow> {
        let row = |at: u8| LedgerRow {
            version: format!("000{at}"),
            name: String::new(),
            sha256: [at; 32],
            sha256_tokens: None,
            state: RowState::Applied,
            applied_at: String::new(),
            duration_ms: 0,
            applied_by: String::new(),
            run_id: String::new(),
            because: None,
            position: i64::from(at),
        };
        (1..=count).map(row).collect()
    }

    #[test]
    fn the_rows_that_came_after_the_record_are_known() {
        let all = rows(5);
        assert_eq!(age(&all, &ledger_state(&all)), Age::Current);
        assert_eq!(age(&all, &ledger_state(&all[..3])), Age::Before(3));
        assert_eq!(age(&all, &ledger_state(&[])), Age::Before(0));
        assert_eq!(age(&[], &ledger_state(&[])), Age::Current);
    }

    #[test]
    fn a_dirty_row_that_was_ended_came_after_the_record_too() {
        let all = rows(3);
        let mut dirty = all.clone();
        dirty[2].state = RowState::Started;
        assert_eq!(age(&all, &ledger_state(&dirty)), Age::Before(2));
        assert_eq!(age(&dirty, &ledger_state(&dirty)), Age::Current);
    }

    #[test]
    fn a_ledger_that_was_never_so_has_no_such_rows() {
        let mut other = rows(3);
        other[0].sha256 = [9; 32];
        for recorded in [ledger_state(&other), ledger_state(&rows(4)), "x".to_owned()] {
            assert_eq!(age(&rows(3), &recorded), Age::Unknown);
        }
    }
}
