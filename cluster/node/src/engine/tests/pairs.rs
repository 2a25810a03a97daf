//! Wallets that sign by DKLS23: their pairs, and who was caught cheating in them.

use super::*;
use quorate_request::ErrorCode;
use quorate_session::SessionId;
use quorate_sharing::PartyIndex;

use crate::frame::Reason;

impl Cluster {
    async fn keygen_dkls23(
        &self,
        at: usize,
        wallet: &str,
        threshold: u16,
        parties: &[usize],
    ) -> KeygenResponse {
        let names: Vec<_> = parties.iter().map(|place| format!("\"node{place}\"")).collect();
        let body = format!(
            r#"{{"threshold":{threshold},"total":{},"curve":"secp256k1","protocol":"dkls23","wallet_id":"{wallet}","parties":[{}]}}"#,
            parties.len(),
            names.join(",")
        );
        let request = self.request(Operation::Keygen, &format!("k-{wallet}"), &body);
        let made = keygen_of(self.engine(at).submit(&request).await).unwrap();
        eventually("known", || (0..self.members.len()).all(|place| self.knows(place, wallet) == 1)).await;
        made
    }

    fn session_of(&self, wallet: &str) -> SessionId {
        self.engine(0).wallets.named(&wallet.parse().unwrap())[0].session()
    }

    async fn have_pairs(&self, wallet: &str, places: &[usize]) -> SessionId {
        let session = self.session_of(wallet);
        let active = |place: &usize| self.engine(*place).pairings.active(&session);
        eventually("pairs", || places.iter().all(|place| active(place).is_some())).await;
        let pairs = active(&places[0]).unwrap();
        assert!(places.iter().all(|place| active(place) == Some(pairs)));
        pairs
    }

    async fn sign_by(
        &self,
        at: usize,
        id: &str,
        wallet: &str,
        signers: &[usize],
    ) -> Result<SignResponse, ErrorBody> {
        let names: Vec<_> = signers.iter().map(|place| format!("\"node{place}\"")).collect();
        let extra = format!(r#","signers":[{}]"#, names.join(","));
        sign_of(self.engine(at).submit(&self.sign_request(id, wallet, &extra)).await)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_has_pairs_soon_after_it_is_made_and_signs_wherever_it_is_asked() {
    let cluster = Cluster::new(4, Settings::default()).await;
    let made = cluster.keygen_dkls23(3, "w", 2, &[0, 1, 2]).await;
    cluster.have_pairs("w", &[0, 1, 2]).await;
    // By a holder, by one that is no signer, and by one that holds nothing and has to be told of the pairs.
    for (at, signers) in [(0, [0, 1]), (1, [0, 2]), (3, [1, 2])] {
        let signed = cluster.sign_by(at, &format!("s{at}"), "w", &signers).await.unwrap();
        assert_eq!(signed.public_key, made.public_key);
        assert_eq!(signed.committee, signers.map(|place| format!("node{place}")));
    }
    let child = cluster.sign_request("child", "w", r#","derivation_path":"m/0/7""#);
    let signed = sign_of(cluster.engine(2).submit(&child).await).unwrap();
    assert_ne!(signed.public_key, made.public_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_are_kept_across_restarts_and_made_when_they_are_missing() {
    let mut cluster = Cluster::new(2, Settings::default()).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1]).await;
    let pairs = cluster.have_pairs("w", &[0, 1]).await;
    cluster.restart(1, Settings::default(), None).await;
    assert_eq!(cluster.engine(1).pairings.active(&cluster.session_of("w")), Some(pairs));
    eventually("connected", || cluster.engine(1).reachable().len() == 2).await;
    cluster.sign_by(1, "s", "w", &[0, 1]).await.unwrap();
    // Nobody replaces what is there for a node's word.
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].clone();
    let new = crate::cause::NewPairs { wallet: wallet.session(), number: 5 };
    let provision = crate::cause::Provision::Pairs(new);
    let refused = cluster.engine(0).provision(cluster.identity(1), &provision).map(|_| ());
    assert_eq!(refused, Err(Reason::Replaced { session: pairs }));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_caught_is_not_signed_with_also_after_a_restart() {
    let settings = Settings { request: Duration::from_secs(3), ..Settings::default() };
    let mut cluster = Cluster::new(3, settings).await;
    cluster.keygen_dkls23(0, "w", 2, &[0, 1, 2]).await;
    let pairs = cluster.have_pairs("w", &[0, 1, 2]).await;
    let session = cluster.session_of("w");
    let wallet = cluster.engine(0).wallets.named(&"w".parse().unwrap())[0].clone();
    let index = |place: usize| -> PartyIndex {
        wallet.record.public.committee.index_of(&cluster.identity(place)).unwrap()
    };
    let caught = [index(1)];
    cluster.engine(0).pairings.catch(session, pairs, &caught, "a test says so").await.unwrap();
    for restarted in [false, true] {
        if restarted {
            cluster.restart(0, settings, None).await;
            eventually("connected", || cluster.engine(0).reachable().len() == 3).await;
        }
        // Of the two together nobody gets a signature; with others, both sign.
        let id = |name: &str| format!("{name}-{restarted}");
        let refused = cluster.sign_by(2, &id("both"), "w", &[0, 1]).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::NotEnoughSigners, "{refused:?}");
        assert!(refused.message.contains("caught cheating"), "{refused:?}");
        for signers in [[0, 2], [1, 2]] {
            cluster
                .sign_by(2, &id(&format!("{signers:?}").replace([' ', ',', '[', ']'], "")), "w", &signers)
                .await
                .unwrap();
        }
        // Left to choose, the nodes find such a committee.
        for at in 0..3 {
            cluster.sign(at, &id(&format!("any{at}")), "w").await.unwrap();
        }
        let shown = cluster.engine(0).pairings.caught();
        assert_eq!(shown.len(), 1);
        let (of, party, told) = &shown[0];
        assert_eq!((*of, *party, told.reason.as_str()), (session, caught[0], "a test says so"));
    }
}
