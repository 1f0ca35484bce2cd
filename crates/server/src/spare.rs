//! Gives memory back when the server has started.

use crate::app::App;
use ringfence_runtime::sys::memory;
use std::sync::Arc;
use std::time::Duration;

/// Waits until the server is ready, and then gives back what only starting needed: the code that reads options and
/// lists of a whole cluster, and room on the heap for those lists.
pub(crate) async fn when_ready(app: Arc<App>) {
    while app.not_ready().is_some() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    match tokio::task::spawn_blocking(memory::give_back).await {
        Ok(Ok(bytes)) => tracing::debug!(bytes, "gave back the program's pages, which come again as they are needed"),
        Ok(Err(error)) => tracing::debug!(%error, "keeps the memory that starting took"),
        // The runtime ends.
        Err(_) => {}
    }
}
