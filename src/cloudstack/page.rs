//! Paging: pages in order, the next ones on their way while the last is read, and the rules by which they
//! add up to a listing.
//!
//! Paging is by offset over ids ascending (facts: cloudstack 3.3): what goes away while pages are read
//! shifts later items out of sight, what comes is appended. So a page tells by its own count whether it
//! may be the last: `(number - 1) * size + items >= count`.

use super::{
    ApiError, Client,
    call::Params,
    wire::{self, Listed, Page},
};
use futures_util::stream::{FuturesOrdered, StreamExt};
use std::{future::Future, pin::Pin};

/// Pages on their way at a time: one that the server works at while we read another.
const AHEAD: usize = 2;

type Fetch<T> = Pin<Box<dyn Future<Output = Result<Page<T>, ApiError>> + Send>>;

/// Reads one listing, page after page.
pub(super) struct Pager<T> {
    client: Client,
    params: Params,
    size: usize,
    on_their_way: FuturesOrdered<Fetch<T>>,
    asked: usize,
    read: usize,
    received: usize,
    count: Option<u64>,
    moved: bool,
    ended: bool,
}

impl<T: Listed> Pager<T> {
    /// Begins a listing with these parameters; sends nothing yet.
    pub(super) fn new(client: &Client, params: Params, size: usize) -> Self {
        Self {
            client: client.clone(),
            params,
            size,
            on_their_way: FuturesOrdered::new(),
            asked: 0,
            read: 0,
            received: 0,
            count: None,
            moved: false,
            ended: false,
        }
    }

    /// The next page; none after the last, and only then is the listing complete.
    pub(super) async fn next(&mut self) -> Result<Option<Page<T>>, ApiError> {
        if self.ended {
            return Ok(None);
        }
        if self.on_their_way.is_empty() {
            self.ask();
        }
        let page = self.on_their_way.next().await.expect("a page has just been asked for")?;
        self.read += 1;
        self.received += page.len;
        self.client.shared.metrics.api.unreadable.add(page.unread.len() as u64);
        self.moved |= self.count.is_some() && page.count.is_some() && self.count != page.count;
        self.count = page.count.or(self.count);
        if page.len > self.size {
            let what = format!("{} items on a page of {}", page.len, self.size);
            return Err(ApiError::BadBody { command: T::COMMAND, what });
        }
        if page.len < self.size {
            self.ended = true;
            self.on_their_way.clear();
            let upto = (self.read - 1) * self.size + page.len;
            match self.count {
                Some(count) if (upto as u64) < count => {
                    return Err(ApiError::Incomplete {
                        command: T::COMMAND,
                        page: self.read,
                        got: self.received,
                        count,
                    });
                }
                _ => return Ok((page.len > 0).then_some(page)),
            }
        }
        // A full page is never taken for the last, whatever the count says: the next one may be empty.
        while self.on_their_way.len() < AHEAD
            && self.count.is_some_and(|count| ((self.asked * self.size) as u64) < count)
        {
            self.ask();
        }
        Ok(Some(page))
    }

    /// Whether the count changed between pages.
    pub(super) fn moved(&self) -> bool {
        self.moved
    }

    fn ask(&mut self) {
        self.asked += 1;
        let mut params = self.params.clone();
        params.push(("page", self.asked.to_string()));
        params.push(("pagesize", self.size.to_string()));
        let client = self.client.clone();
        self.on_their_way
            .push_back(Box::pin(async move { client.call(T::COMMAND, &params, wire::page::<T>).await }));
    }
}

/// How often a listing may begin again.
#[derive(Default)]
pub(super) struct Restarts {
    incomplete: bool,
    sizes: u8,
}

impl Restarts {
    /// Whether the listing should be read again from its first page after this error: once after pages
    /// that did not add up, and with smaller pages where the server wants them.
    pub(super) fn allow(&mut self, client: &Client, err: &ApiError, size: usize) -> bool {
        if matches!(err, ApiError::Incomplete { .. }) {
            return !std::mem::replace(&mut self.incomplete, true);
        }
        self.sizes += 1;
        self.sizes <= 3 && client.adapt(err, size)
    }
}
