//! An honest node that notes the randomness which its sessions draw when they begin.
//!
//! Nonces are made of that randomness and the key share, by a hash. A test that rebuilt the key shares recomputes the
//! nonces from the notes and searches for them, while no process ever holds a readable copy of them.

use std::any::Any;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use quorate_session::{
    ErasedProtocol, ErasedSession, Evidence, Keyring, NotProven, ProtocolId, Registry, SessionContext,
    SetupError, Verdict,
};
use rand_core::{CryptoRng, CryptoRngCore, Error, RngCore};

/// The protocols of an honest node, which note what they draw as files of `folder`.
pub(crate) fn registry(folder: PathBuf) -> Registry {
    let honest = quorate_node::registry();
    let folder = Arc::new(folder);
    let ids: Vec<_> = honest.ids().cloned().collect();
    ids.iter().filter_map(|id| honest.find(id)).fold(Registry::default(), |registry, protocol| {
        registry.with(Arc::new(Witness { protocol: Arc::clone(protocol), folder: Arc::clone(&folder) }))
    })
}

/// Holds the secret of `QUORATE_TEST_PLANT` as a careless program would: readable, for as long as it runs, and in its log.
pub(crate) fn plant() {
    let Ok(planted) = std::env::var("QUORATE_TEST_PLANT") else { return };
    let bytes = hex::decode(&planted).expect("hex");
    eprintln!("planted {planted}");
    std::hint::black_box(Box::leak(bytes.into_boxed_slice()));
}

struct Witness {
    protocol: Arc<dyn ErasedProtocol>,
    folder: Arc<PathBuf>,
}

impl ErasedProtocol for Witness {
    fn id(&self) -> ProtocolId {
        self.protocol.id()
    }

    fn open(
        &self,
        context: Arc<SessionContext>,
        setup: &[u8],
        secret: Box<dyn Any + Send>,
        keyring: Keyring,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Box<dyn ErasedSession>, SetupError> {
        let name = self.id().to_string().replace('/', "-");
        let path = self.folder.join(format!("{name}-{}-{}", context.me().get(), context.session()));
        let file = std::fs::File::create(path).expect("a folder for the notes");
        let mut noted = Noted { rng, file };
        self.protocol.open(context, setup, secret, keyring, &mut noted)
    }

    fn judge(&self, evidence: &Evidence) -> Result<Verdict, NotProven> {
        self.protocol.judge(evidence)
    }
}

/// Writes down what is drawn.
struct Noted<'a> {
    rng: &'a mut dyn CryptoRngCore,
    file: std::fs::File,
}

impl RngCore for Noted<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
        self.file.write_all(bytes).expect("room for the notes");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Noted<'_> {}
