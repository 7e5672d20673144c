//! PostgreSQL: a plan as one transaction.
//!
//! The steps of a plan do not depend on each other's answers, so all of them are sent before the
//! first answer is awaited: a plan costs two round trips, one for BEGIN and the steps, one for
//! COMMIT. Expectations are judged in the order of the steps, as on SQLite.
//!
//! Lost races of the server's own making (serialization failure, deadlock) and connections lost
//! before COMMIT was sent leave nothing behind: the plan is simply tried again. When the
//! connection is lost during COMMIT, nobody knows, and that is what is reported.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Statement};

use super::error::{Fault, WriteError, random_bits};
use super::pg::{
    Failure, Link, Shared, StatementKey, check_arity, in_full, is_outage, is_stale_statement,
};
use super::plan::{Expect, Plan, Step};
use super::sql::{insert_into, key_of};
use super::value::Value;

/// How often a plan is tried: a hot row under serializable isolation needs several.
const TRIES_MAX: u32 = 6;
/// The first pause before another try; it doubles, with jitter.
const RETRY_PAUSE: Duration = Duration::from_millis(4);
/// Statements under way at once on one connection.
const WINDOW_MAX: usize = 64;
/// Fewer rows than this are inserted one by one in the pipeline: COPY needs round trips of its own.
const COPY_ROWS_MIN: usize = 32;

/// How one try ended.
enum Ended {
    /// Nothing was written, and another try may succeed.
    Again(WriteError),
    /// The answer.
    With(WriteError),
}

/// One thing to send.
enum Act<'p> {
    Run { statement: Statement, params: &'p [Value], expect: Expect },
    Copy { statement: Statement, insert: Statement, values: &'p [Value] },
}

impl Shared {
    pub(super) async fn transact(&self, plan: &Plan) -> Result<(), WriteError> {
        let _permit = self.writes.acquire().await;
        let mut pause = RETRY_PAUSE;
        let mut tries = 1;
        loop {
            let link = self
                .own_link()
                .await
                .map_err(|fault| WriteError::Unavailable { outcome_unknown: false, fault })?;
            let ended = match link.try_plan(plan).await {
                Ok(()) => {
                    self.give_back(link);
                    return Ok(());
                }
                Err(ended) => ended,
            };
            // A connection goes back only when it certainly has no transaction open.
            if link.client.batch_execute("ROLLBACK").await.is_ok() {
                self.give_back(link);
            }
            match ended {
                Ended::With(error) => return Err(error),
                Ended::Again(error) if tries >= TRIES_MAX => return Err(error),
                Ended::Again(_) => {}
            }
            tries += 1;
            tokio::time::sleep(pause.mul_f64(0.5 + random_bits() as f64 / u64::MAX as f64)).await;
            pause *= 2;
        }
    }
}

impl Link {
    /// BEGIN, the steps and COMMIT. After an error the transaction may still be open.
    async fn try_plan(&self, plan: &Plan) -> Result<(), Ended> {
        let acts = self.prepare_acts(plan).await?;
        let mut begun = false;
        let mut rest = acts.as_slice();
        while !rest.is_empty() || !begun {
            let window = rest.iter().take_while(|act| matches!(act, Act::Run { .. }));
            let (runs, after) = rest.split_at(window.take(WINDOW_MAX).count());
            self.send_window(!begun, runs).await?;
            begun = true;
            rest = after;
            if let Some((Act::Copy { statement, insert, values }, after)) = rest.split_first() {
                self.copy(statement, insert, values).await.map_err(|error| self.ended(error))?;
                rest = after;
            }
        }
        self.client.batch_execute("COMMIT").await.map_err(|error| self.commit_ended(error))
    }

    async fn prepare_acts<'p>(&self, plan: &'p Plan) -> Result<Vec<Act<'p>>, Ended> {
        let mut acts = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            match step {
                Step::Run { sql, params, expect } => {
                    let statement = self.run_statement(sql, *expect).await;
                    let statement = statement.map_err(|error| self.ended(error))?;
                    check_arity(sql, &statement, params).map_err(program_fault)?;
                    acts.push(Act::Run { statement, params, expect: *expect });
                }
                Step::Bulk { table, columns, values } => {
                    self.prepare_bulk(table, columns, values, &mut acts).await?;
                }
            }
        }
        Ok(acts)
    }

    async fn run_statement(&self, sql: &'static str, expect: Expect) -> Result<Statement, Error> {
        match expect {
            Expect::Found(_) => {
                let key = StatementKey::Locking(key_of(sql));
                self.statement(key, || format!("{sql} FOR SHARE")).await
            }
            Expect::Any | Expect::Changes(..) | Expect::Seen(_) => self.plain(sql).await,
        }
    }

    async fn prepare_bulk<'p>(
        &self,
        table: &'static str,
        columns: &'static [&'static str],
        values: &'p [Value],
        acts: &mut Vec<Act<'p>>,
    ) -> Result<(), Ended> {
        if columns.is_empty() || !values.len().is_multiple_of(columns.len()) {
            let cause = format!("values for {table} do not fill whole rows");
            return Err(program_fault(Failure::Program(cause)));
        }
        let address = columns.as_ptr() as usize;
        let insert = self
            .statement(StatementKey::Insert(key_of(table), address), || insert_into(table, columns))
            .await
            .map_err(|error| self.ended(error))?;
        if values.len() / columns.len() < COPY_ROWS_MIN {
            acts.extend(values.chunks_exact(columns.len()).map(|params| Act::Run {
                statement: insert.clone(),
                params,
                expect: Expect::Any,
            }));
            return Ok(());
        }
        let copy_into = || format!("COPY {table} ({}) FROM STDIN BINARY", columns.join(", "));
        let statement = self
            .statement(StatementKey::Copy(key_of(table), address), copy_into)
            .await
            .map_err(|error| self.ended(error))?;
        acts.push(Act::Copy { statement, insert, values });
        Ok(())
    }

    /// Sends everything, then judges the answers in order.
    async fn send_window(&self, begin: bool, runs: &[Act<'_>]) -> Result<(), Ended> {
        let mut sent: Vec<Sent<'_>> = Vec::with_capacity(runs.len() + 1);
        if begin {
            sent.push(Box::pin(async { self.client.batch_execute("BEGIN").await.map(|()| 0) }));
        }
        for act in runs {
            if let Act::Run { statement, params, expect } = act {
                sent.push(match expect {
                    Expect::Found(_) | Expect::Seen(_) => {
                        Box::pin(self.count_rows(statement, params))
                    }
                    _ => Box::pin(self.client.execute_raw(statement, *params)),
                });
            }
        }
        let counts = in_order(sent).await;
        let judged = if begin { 1 } else { 0 };
        for (i, count) in counts.into_iter().enumerate() {
            let count = count.map_err(|error| self.ended(error))?;
            let act = i.checked_sub(judged).and_then(|i| runs.get(i));
            let Some(Act::Run { expect, .. }) = act else { continue };
            let disappointed = match *expect {
                Expect::Any => None,
                Expect::Changes(wanted, relied_on) => (count != wanted).then_some(relied_on),
                Expect::Found(relied_on) | Expect::Seen(relied_on) => {
                    (count == 0).then_some(relied_on)
                }
            };
            if let Some(relied_on) = disappointed {
                return Err(Ended::With(WriteError::Conflict { relied_on }));
            }
        }
        Ok(())
    }

    async fn count_rows(&self, statement: &Statement, params: &[Value]) -> Result<u64, Error> {
        let mut rows = pin!(self.client.query_raw(statement, params).await?);
        let mut count = 0;
        while rows.try_next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Binary COPY; the types are those of the columns, as the server told for the INSERT.
    async fn copy(
        &self,
        statement: &Statement,
        insert: &Statement,
        values: &[Value],
    ) -> Result<(), Error> {
        let sink = self.client.copy_in(statement).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, insert.params()));
        for row in values.chunks_exact(insert.params().len()) {
            writer.as_mut().write_raw(row).await?;
        }
        writer.finish().await.map(drop)
    }

    /// Judges an error met before COMMIT was sent.
    fn ended(&self, error: Error) -> Ended {
        if is_stale_statement(&error) {
            self.forget_statements();
        }
        let again = is_lost_race(&error)
            || is_stale_statement(&error)
            || (is_outage(&error) && self.client.is_closed());
        let answer = refusal(&error, false);
        if again { Ended::Again(answer) } else { Ended::With(answer) }
    }

    /// Judges an error met by COMMIT itself.
    fn commit_ended(&self, error: Error) -> Ended {
        if is_lost_race(&error) {
            return Ended::Again(refusal(&error, false));
        }
        Ended::With(refusal(&error, is_outage(&error)))
    }
}

fn program_fault(failure: Failure) -> Ended {
    let cause = match failure {
        Failure::Program(cause) => cause,
        Failure::Server(error) => in_full(&error),
        Failure::Decode(error) => error.to_string(),
        Failure::NoLink(fault) => fault.cause().to_owned(),
    };
    Ended::With(WriteError::Internal(Fault::log("writing", cause)))
}

fn is_lost_race(error: &Error) -> bool {
    let races = [&SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| races.contains(&code))
}

/// What an error is to the caller.
fn refusal(error: &Error, outcome_unknown: bool) -> WriteError {
    match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) => duplicate(error),
        Some(&SqlState::DISK_FULL) => WriteError::Full,
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => WriteError::ReadOnly,
        _ if is_outage(error) || is_lost_race(error) => {
            let fault = Fault::log("writing", in_full(error));
            WriteError::Unavailable { outcome_unknown, fault }
        }
        _ => WriteError::Internal(Fault::log("writing", in_full(error))),
    }
}

fn duplicate(error: &Error) -> WriteError {
    let details = error.as_db_error();
    let table = details.and_then(|details| details.table()).unwrap_or_default();
    // `Key (kind, value)=(imei, 35...) already exists.`, whatever the server's language.
    let key = details.and_then(|details| details.detail()).and_then(|detail| {
        let (_, rest) = detail.split_once('(')?;
        rest.split_once(")=(").map(|(columns, _)| columns)
    });
    // The server prints the key of an index on expressions; SQLite does not tell it.
    let columns = key.filter(|columns| !columns.contains('(')).unwrap_or_default();
    WriteError::Duplicate { constraint: root_table(table).to_owned(), columns: columns.to_owned() }
}

/// Hash partitions are called `<table>_p<number>`, and the server names the partition.
fn root_table(table: &str) -> &str {
    match table.rsplit_once("_p") {
        Some((root, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            root
        }
        _ => table,
    }
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send + 'a>>;

/// Polls all futures, the first time strictly in order: that is when a request is put on the wire.
async fn in_order(mut sent: Vec<Sent<'_>>) -> Vec<Result<u64, Error>> {
    let mut answers: Vec<Option<Result<u64, Error>>> = sent.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut open = false;
        for (future, answer) in sent.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(result) => *answer = Some(result),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::root_table;

    #[test]
    fn a_partition_answers_to_its_table() {
        for (given, expected) in [
            ("identifier_p7", "identifier"),
            ("identifier_p12", "identifier"),
            ("identifier", "identifier"),
            ("unit_pack", "unit_pack"),
            ("unit_p", "unit_p"),
        ] {
            assert_eq!(root_table(given), expected);
        }
    }
}
