//! The seams to hickory-server: a zone as its catalog sees it, and what becomes of a response.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_proto::op::{Header, HeaderCounts, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::TSigResponseContext;
use hickory_proto::rr::{LowerName, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestInfo, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{
    AuthLookup, AxfrPolicy, LookupControlFlow, LookupError, LookupOptions, LookupRecords, MessageResponse,
    ZoneHandler, ZoneTransfer, ZoneType,
};

use crate::journal::Transport;
use crate::zone::{Found, Records};

/// A zone that can change while it is served.
pub(crate) struct LiveZone {
    origin: LowerName,
    records: Mutex<Records>,
}

impl LiveZone {
    pub(crate) fn new(origin: LowerName, records: Records) -> Self {
        LiveZone { origin, records: Mutex::new(records) }
    }

    pub(crate) fn name(&self) -> &LowerName {
        &self.origin
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(
        &self,
        name: &LowerName,
        kind: RecordType,
        options: LookupOptions,
    ) -> Result<AuthLookup, LookupError> {
        let records = self.records();
        let sets = match records.find(name, kind) {
            Found::Records(sets) => sets,
            // The catalog moves nameservers to the authority section when they were not asked for.
            Found::Referral(cut) => vec![cut],
            Found::NoData => return Err(LookupError::NameExists),
            Found::NxDomain => return Err(LookupError::from(ResponseCode::NXDomain)),
        };
        let additionals = records.additionals(&sets);
        let additionals = (!additionals.is_empty()).then(|| LookupRecords::many(options, additionals));
        Ok(AuthLookup::answers(LookupRecords::many(options, sets), additionals))
    }
}

#[async_trait]
impl ZoneHandler for LiveZone {
    fn zone_type(&self) -> ZoneType {
        ZoneType::Primary
    }

    fn axfr_policy(&self) -> AxfrPolicy {
        AxfrPolicy::Deny
    }

    fn origin(&self) -> &LowerName {
        &self.origin
    }

    async fn lookup(
        &self,
        name: &LowerName,
        kind: RecordType,
        _request: Option<&RequestInfo<'_>>,
        options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        LookupControlFlow::Continue(self.look_up(name, kind, options))
    }

    async fn search(
        &self,
        request: &Request,
        options: LookupOptions,
    ) -> (LookupControlFlow<AuthLookup>, Option<TSigResponseContext>) {
        let found = request
            .request_info()
            .and_then(|info| self.look_up(info.query.name(), info.query.query_type(), options));
        (LookupControlFlow::Continue(found), None)
    }

    async fn nsec_records(&self, _: &LowerName, _: LookupOptions) -> LookupControlFlow<AuthLookup> {
        LookupControlFlow::Continue(Ok(AuthLookup::default()))
    }

    async fn zone_transfer(
        &self,
        _request: &Request,
        _options: LookupOptions,
        _now: u64,
    ) -> Option<(Result<ZoneTransfer, LookupError>, Option<TSigResponseContext>)> {
        Some((Err(LookupError::from(ResponseCode::Refused)), None))
    }
}

/// hickory asks for the time only to check signatures, of which there are none.
pub(crate) struct NoTime;

#[async_trait]
impl Time for NoTime {
    async fn delay_for(_: Duration) {}

    async fn timeout<F: 'static + Future + Send>(_: Duration, future: F) -> Result<F::Output, io::Error> {
        Ok(future.await)
    }

    fn current_time() -> u64 {
        0
    }
}

/// What a response was, for the log.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) wire: Vec<u8>,
    pub(crate) code: ResponseCode,
    pub(crate) answers: usize,
    pub(crate) truncated: bool,
}

/// Takes a response instead of sending it, cut to the size that the transport carries.
#[derive(Clone)]
pub(crate) struct Capture {
    transport: Transport,
    sent: Arc<Mutex<Option<Sent>>>,
}

/// What a datagram carries to a client that does not say (RFC 1035 section 4.2.1).
const DATAGRAM_DEFAULT: u16 = 512;

/// Authoritative answer, in the second byte of the flags' first half.
const AUTHORITATIVE: u8 = 0x04;

impl Capture {
    pub(crate) fn new(transport: Transport) -> Self {
        Capture { transport, sent: Arc::default() }
    }

    pub(crate) fn take(&self) -> Option<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, mut wire: Vec<u8>, code: ResponseCode, counts: HeaderCounts, truncated: bool) {
        if code == ResponseCode::NoError
            && counts.answers == 0
            && is_referral(&wire)
            && let Some(flags) = wire.get_mut(2)
        {
            *flags &= !AUTHORITATIVE;
        }
        let sent = Sent { wire, code, answers: usize::from(counts.answers), truncated };
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
    }
}

/// Whether the authority section names nameservers, and no start of authority: hickory's catalog marks
/// such a response authoritative, which it is not.
fn is_referral(wire: &[u8]) -> bool {
    let Ok(message) = hickory_proto::op::Message::from_vec(wire) else { return false };
    message.answers.is_empty() && message.authorities.iter().any(|r| r.record_type() == RecordType::NS)
}

#[async_trait]
impl ResponseHandler for Capture {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let id = response.metadata().id;
        let max = match self.transport {
            Transport::Udp => response.edns().map_or(DATAGRAM_DEFAULT, |edns| edns.max_payload()),
            Transport::Tcp => u16::MAX,
        };
        let mut wire = Vec::with_capacity(usize::from(DATAGRAM_DEFAULT));
        let mut encoder = BinEncoder::new(&mut wire);
        encoder.set_max_size(max);
        let info = match response.destructive_emit(&mut encoder) {
            Ok(info) => info,
            Err(_) => {
                wire.clear();
                let mut metadata = Metadata::new(id, MessageType::Response, OpCode::Query);
                metadata.response_code = ResponseCode::ServFail;
                let header = Header { metadata, counts: HeaderCounts::default() };
                header.emit(&mut BinEncoder::new(&mut wire))?;
                ResponseInfo::from(header)
            }
        };
        self.put(wire, info.response_code, info.counts(), info.truncation);
        Ok(info)
    }
}
