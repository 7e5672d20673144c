//! Reading any number of rows in constant memory.

use tokio::sync::mpsc;

use super::error::{EngineError, Fault};

/// Rows in one chunk: large enough that the hand-over between threads costs nothing per row.
pub(super) const CHUNK_ROWS: usize = 1024;
/// Chunks that wait for a slow consumer before the database is made to wait.
const CHUNKS_WAITING_MAX: usize = 2;

/// Chunks of mapped rows, in the order of the statement. Dropping it stops the reading.
#[derive(Debug)]
pub struct RowStream<T> {
    chunks: mpsc::Receiver<Result<Vec<T>, EngineError>>,
    ended: bool,
}

impl<T> RowStream<T> {
    /// The next chunk, never empty; `None` only after the last row has been given. A stream that
    /// was cut short ends with an error instead, so that no export passes for complete.
    pub async fn next(&mut self) -> Option<Result<Vec<T>, EngineError>> {
        if self.ended {
            return None;
        }
        let chunk = self.chunks.recv().await;
        self.judge(chunk)
    }

    /// The same for a blocking thread.
    pub fn blocking_next(&mut self) -> Option<Result<Vec<T>, EngineError>> {
        if self.ended {
            return None;
        }
        let chunk = self.chunks.blocking_recv();
        self.judge(chunk)
    }

    fn judge(
        &mut self,
        chunk: Option<Result<Vec<T>, EngineError>>,
    ) -> Option<Result<Vec<T>, EngineError>> {
        match chunk {
            Some(Ok(rows)) if rows.is_empty() => {
                self.ended = true;
                None
            }
            Some(Ok(rows)) => Some(Ok(rows)),
            Some(Err(error)) => {
                self.ended = true;
                Some(Err(error))
            }
            None => {
                self.ended = true;
                let fault = Fault::log("streaming", "the reading task ended before its last row");
                Some(Err(EngineError::Unavailable(fault)))
            }
        }
    }
}

/// The sending side: an empty chunk says that everything has been sent.
pub(super) type ChunkSender<T> = mpsc::Sender<Result<Vec<T>, EngineError>>;

pub(super) fn row_stream<T>() -> (ChunkSender<T>, RowStream<T>) {
    let (sender, chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
    (sender, RowStream { chunks, ended: false })
}
