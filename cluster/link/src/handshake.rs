//! The handshake: Noise XX, with keys that identities certify.

use std::fmt;
use std::sync::Arc;

use quorate_keys::{Identity, Secret, SigningIdentity, Transcript};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, RngCore, SeedableRng};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState, StatelessTransportState};

use crate::packet;

const NOISE: &str = "Noise_XX_25519_ChaChaPoly_SHA256";
/// Boot and signature.
const CERTIFICATE_BYTES: usize = 8 + 64;
/// The largest message of the handshake: ephemeral key, sealed static key, sealed certificate.
const MESSAGE_BYTES: usize = 32 + 32 + 16 + CERTIFICATE_BYTES + 16;

/// What a node brings into each of its links: its identity, and a key of this start of it.
pub struct Local {
    signer: Arc<SigningIdentity>,
    identity: Identity,
    cluster: [u8; 32],
    boot: u64,
    key: Secret<[u8; 32]>,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("identity", &self.identity)
            .field("boot", &self.boot)
            .finish_non_exhaustive()
    }
}

impl Local {
    /// A node of the cluster that starts now. `boot` grows with every start, and is a clock's time for want of something
    /// better: if it doesn't, peers notice the start by silence only.
    pub fn new(
        signer: Arc<SigningIdentity>,
        cluster: [u8; 32],
        boot: u64,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let mut key = Secret::new([0; 32]);
        rng.fill_bytes(key.expose_mut());
        Self { identity: signer.identity(), signer, cluster, boot, key }
    }

    /// Whose it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    fn statement(&self, from: &Identity, to: &Identity, boot: u64, what: &What<'_>) -> [u8; 32] {
        let statement = |domain: &[u8]| {
            Transcript::new(domain)
                .field("cluster", &self.cluster)
                .field("from", from.as_bytes())
                .field("to", to.as_bytes())
                .field("boot", &boot.to_le_bytes())
        };
        match what {
            What::Hello => statement(b"quorate/link-hello/v1").digest(),
            What::Key { key, said } => {
                statement(b"quorate/link-key/v1").field("key", key).field("said", said).digest()
            }
        }
    }

    /// Asks `to` to begin.
    pub(crate) fn hello(&self, to: &Identity) -> bytes::Bytes {
        let statement = self.statement(&self.identity, to, self.boot, &What::Hello);
        packet::hello(self.boot, &self.signer.sign(&statement))
    }

    pub(crate) fn is_hello_of(&self, from: &Identity, boot: u64, signature: &[u8; 64]) -> bool {
        from.verify(&self.statement(from, &self.identity, boot, &What::Hello), signature)
    }
}

/// What an identity signs.
enum What<'a> {
    Hello,
    /// Its key, in the handshake in which this was said.
    Key {
        key: &'a [u8],
        said: &'a [u8],
    },
}

/// A message was not of the handshake, or its certificate not of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotOurs;

impl From<snow::Error> for NotOurs {
    fn from(_: snow::Error) -> Self {
        Self
    }
}

/// A handshake that is done.
pub(crate) struct Established {
    pub(crate) transport: StatelessTransportState,
    /// The start of the peer that it is with.
    pub(crate) boot: u64,
}

/// All randomness of one side of a handshake.
pub(crate) type Seed = Secret<[u8; 32]>;

/// One side of a handshake with a peer.
pub(crate) struct Handshake {
    local: Arc<Local>,
    peer: Identity,
    noise: HandshakeState,
    public: [u8; 32],
    /// The start of the peer, once it is certified.
    boot: Option<u64>,
}

impl Handshake {
    pub(crate) fn initiator(local: &Arc<Local>, peer: Identity, seed: &Seed) -> Result<Self, NotOurs> {
        Self::new(local, peer, seed, true)
    }

    pub(crate) fn responder(local: &Arc<Local>, peer: Identity, seed: &Seed) -> Result<Self, NotOurs> {
        Self::new(local, peer, seed, false)
    }

    fn new(local: &Arc<Local>, peer: Identity, seed: &Seed, begins: bool) -> Result<Self, NotOurs> {
        let params: NoiseParams = NOISE.parse()?;
        let mut dh = DefaultResolver.resolve_dh(&params.dh).ok_or(NotOurs)?;
        dh.set(local.key.expose());
        let public = dh.pubkey().try_into().map_err(|_| NotOurs)?;
        let (first, second) = if begins { (local.identity, peer) } else { (peer, local.identity) };
        let prologue = Transcript::new(b"quorate/link/v1")
            .field("cluster", &local.cluster)
            .field("initiator", first.as_bytes())
            .field("responder", second.as_bytes())
            .digest();
        let seed = Secret::new(*seed.expose());
        let resolver = Seeded { seed, ciphers: DefaultResolver };
        let builder = Builder::with_resolver(params, Box::new(resolver))
            .local_private_key(local.key.expose())?
            .prologue(&prologue)?;
        let noise = if begins { builder.build_initiator()? } else { builder.build_responder()? };
        Ok(Self { local: Arc::clone(local), peer, noise, public, boot: None })
    }

    /// Our next message; the first one has nothing in it.
    pub(crate) fn write(&mut self, certified: bool) -> Result<Vec<u8>, NotOurs> {
        let certificate = if certified { self.certificate() } else { Vec::new() };
        self.write_with(&certificate)
    }

    pub(crate) fn write_with(&mut self, payload: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let mut message = vec![0; MESSAGE_BYTES];
        let length = self.noise.write_message(payload, &mut message)?;
        message.truncate(length);
        Ok(message)
    }

    /// Our key is ours, in this handshake.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        let what = What::Key { key: &self.public, said: self.noise.get_handshake_hash() };
        let statement = self.local.statement(&self.local.identity, &self.peer, self.local.boot, &what);
        [&self.local.boot.to_le_bytes()[..], &self.local.signer.sign(&statement)].concat()
    }

    /// Takes the peer's first message, which says nothing.
    pub(crate) fn read_first(&mut self, message: &[u8]) -> Result<(), NotOurs> {
        match self.noise.read_message(message, &mut [0; MESSAGE_BYTES])? {
            0 => Ok(()),
            _ => Err(NotOurs),
        }
    }

    /// Takes the peer's message with the certificate. After one that is not the peer's, the initiator can take another; the
    /// responder can't, and has to begin again from its seed.
    pub(crate) fn read_certified(&mut self, message: &[u8]) -> Result<(), NotOurs> {
        let said = self.noise.get_handshake_hash().to_vec();
        let mut payload = [0; MESSAGE_BYTES];
        let length = self.noise.read_message(message, &mut payload)?;
        let certificate: &[u8; CERTIFICATE_BYTES] =
            payload.get(..length).and_then(|payload| payload.try_into().ok()).ok_or(NotOurs)?;
        let (boot, signature) = certificate.split_first_chunk().ok_or(NotOurs)?;
        let boot = u64::from_le_bytes(*boot);
        let signature: &[u8; 64] = signature.try_into().map_err(|_| NotOurs)?;
        let key = self.noise.get_remote_static().ok_or(NotOurs)?;
        let statement =
            self.local.statement(&self.peer, &self.local.identity, boot, &What::Key { key, said: &said });
        if !self.peer.verify(&statement, signature) {
            return Err(NotOurs);
        }
        self.boot = Some(boot);
        Ok(())
    }

    /// The link, once both sides are certified.
    pub(crate) fn finish(self) -> Result<Established, NotOurs> {
        let boot = self.boot.ok_or(NotOurs)?;
        Ok(Established { transport: self.noise.into_stateless_transport_mode()?, boot })
    }
}

/// The default primitives, with randomness that is handed in.
struct Seeded {
    seed: Seed,
    ciphers: DefaultResolver,
}

struct Randomness(ChaCha20Rng);

impl Random for Randomness {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoResolver for Seeded {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Randomness(ChaCha20Rng::from_seed(*self.seed.expose()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        self.ciphers.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        self.ciphers.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        self.ciphers.resolve_cipher(choice)
    }
}
