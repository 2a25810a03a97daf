//! Wallets that a committee of nothing but liars certifies.

use super::*;
use quorate_keygen::{ACKNOWLEDGE, Certificate, Message, Refusal};
use quorate_keys::Transcript;
use quorate_session::{Agreement, Envelope, Header, Kind, Part};
use quorate_sharing::{PartyIndex, PublicShares};

use crate::clock::millis;
use crate::frame::Certified;

/// Nodes that say of the key of another wallet that it is theirs.
fn certify(
    liars: [&SigningIdentity; 2],
    asked: &Engine,
    request: &SignedRequest,
    stolen: &PublicShares,
    fresh: u8,
) -> Certified {
    let verified = asked.authority.verify(request).unwrap();
    let job = Job::new(&verified, &asked.wallets, &asked.peers, &asked.config).unwrap();
    let committee = job.committee(&liars.iter().map(|liar| liar.identity()).collect()).unwrap();
    let proposal = Proposal {
        cluster: *asked.authority.cluster().as_bytes(),
        request: request.digest(),
        operation: job.operation().into(),
        protocol: job.protocol().clone(),
        setup: setup_digest(&job.setup(&committee, &liars[0].identity(), &[]).unwrap()),
        epoch: 0,
        committee: committee.clone(),
        proposer: liars[0].identity(),
        attempt: 1,
        expires: millis(SystemTime::now()),
    };
    let bytes: Vec<(PartyIndex, [u8; 32])> = committee.indices().map(|index| (index, [fresh; 32])).collect();
    let agreement: Agreement = borsh::from_slice(&borsh::to_vec(&(proposal, bytes)).unwrap()).unwrap();
    let mut public = PublicShares { committee: committee.clone(), ..stolen.clone() };
    public.verifying_shares.retain(|index, _| committee.contains(*index));
    // What a party acknowledges, as `quorate-keygen` makes it.
    let mut key = Transcript::new(b"quorate/keygen/key/v1")
        .field("session", agreement.session().as_bytes())
        .field("group key", public.group_key.as_bytes())
        .field("chain code", public.chain_code.as_bytes())
        .field("epoch", &public.epoch.to_le_bytes());
    for (party, share) in &public.verifying_shares {
        key = key.field("party", &party.get().to_le_bytes()).field("share", share);
    }
    let ready = Message::Ready(key.digest()).to_wire().unwrap();
    let acknowledgements = liars.map(|liar| {
        let header = Header {
            session: agreement.session(),
            epoch: 0,
            attempt: 1,
            sender: committee.index_of(&liar.identity()).unwrap(),
            recipient: None,
            kind: Kind::Round,
            round: ACKNOWLEDGE,
            echo: None,
        };
        Arc::new(Envelope::seal(header, Part::Whole(ready.clone()), Part::Absent, liar))
    });
    let certificate = Certificate::new(agreement, &acknowledgements).unwrap();
    Certified { request: request.encode(), public, certificate }
}

fn sign_with(cluster: &Cluster, id: &str, key: &str) -> SignedRequest {
    let body = format!(r#"{{"public_key":"{key}","message_hash":"0x{}"}}"#, "cd".repeat(32));
    cluster.request(Operation::Sign, id, &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_can_not_be_replaced_by_one_that_says_that_it_has_its_key() {
    let mut cluster = Cluster::new(6, Settings::default()).await;
    let cut_off = cluster.identity(5);
    cluster.hub.isolate(&cut_off);
    let made = cluster.keygen(0, "k", "w", &[0, 1, 2, 3]).await.unwrap();
    eventually("it is known", || (0..5).all(|place| cluster.knows(place, "w") == 1)).await;
    let key = made.public_key.to_string();
    let genuine = cluster.engine(0).wallets.all().remove(0);
    let liars = [2, 3].map(|place| Arc::clone(&cluster.members[place].identity));
    let request = cluster.keygen_request("f", "false", 2, &[2, 3]);
    let stolen = &genuine.record.public;
    let rival = certify([&*liars[0], &*liars[1]], cluster.engine(0), &request, stolen, 1);
    // At a holder, at a node that holds no share, and at one to which the false one comes first.
    for place in [0, 4, 5] {
        cluster.engine(place).certified(cluster.identity(2), rival.clone()).await;
        assert_eq!(cluster.knows(place, "false"), 1);
    }
    cluster.hub.heal_all();
    eventually("it is known", || cluster.knows(5, "w") == 1).await;
    for restarted in [false, true] {
        if restarted {
            for place in [0, 4, 5] {
                cluster.restart(place, Settings::default(), None).await;
            }
            let connected = || [0, 4, 5].iter().all(|place| cluster.engine(*place).reachable().len() == 6);
            eventually("peers are back", connected).await;
        }
        for place in [0, 4, 5] {
            let bytes = genuine.public_key.as_bytes();
            let found = cluster.engine(place).wallets.find(WalletRef::PublicKey(bytes)).unwrap().unwrap();
            assert_eq!(found.session(), genuine.session(), "node{place}");
            let request = sign_with(&cluster, &format!("{restarted}-{place}"), &key);
            let signed = sign_of(cluster.engine(place).submit(&request).await).unwrap();
            assert_eq!(signed.public_key.to_string(), key);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_fill_no_disk_with_wallets_of_one_request() {
    let cluster = Cluster::new(4, Settings::default()).await;
    cluster.keygen(0, "k", "w", &[0, 1, 2]).await.unwrap();
    let stolen = cluster.engine(0).wallets.all().remove(0).record.public.clone();
    let liars = [1, 2].map(|place| Arc::clone(&cluster.members[place].identity));
    let request = cluster.keygen_request("f", "false", 2, &[1, 2]);
    let asked = Arc::clone(cluster.engine(0));
    for fresh in 0..20 {
        let rival = certify([&*liars[0], &*liars[1]], &asked, &request, &stolen, fresh);
        cluster.engine(3).certified(cluster.identity(1), rival).await;
    }
    assert_eq!(cluster.knows(3, "false"), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_comes_late_gives_no_name_to_a_committee_of_liars() {
    let mut cluster = Cluster::new(5, Settings::default()).await;
    let cut_off = cluster.identity(4);
    cluster.hub.isolate(&cut_off);
    cluster.keygen(0, "k", "w", &[0, 1, 2, 3]).await.unwrap();
    let genuine = cluster.engine(0).wallets.all().remove(0);
    // Two of its members, fewer than its threshold: one refuses it now, and both make another wallet of its name.
    let lie = Refusal::promise(genuine.session(), &cluster.members[2].identity);
    let liars = [2, 3].map(|place| Arc::clone(&cluster.members[place].identity));
    let request = cluster.keygen_request("f", "w", 2, &[2, 3]);
    let stolen = &genuine.record.public;
    let rival = certify([&*liars[0], &*liars[1]], cluster.engine(4), &request, stolen, 1);
    cluster.hub.heal_all();
    eventually("it is known", || (0..5).all(|place| cluster.knows(place, "w") == 1)).await;
    // In either order, at a holder and at a node that holds no share.
    cluster.engine(0).refused(cluster.identity(2), &lie).await;
    let convicted = |place: usize| cluster.engine(place).exclusions.contains(&cluster.identity(2));
    eventually("the liar is convicted", || convicted(0)).await;
    cluster.engine(0).certified(cluster.identity(2), rival.clone()).await;
    cluster.engine(4).certified(cluster.identity(2), rival).await;
    eventually("the liar is convicted", || convicted(4)).await;
    for restarted in [false, true] {
        for place in [0, 4] {
            if restarted {
                cluster.restart(place, Settings::default(), None).await;
            }
            // The name means both, not the false one alone.
            let means = || cluster.engine(place).wallets.named(&genuine.id);
            eventually("both are known", || means().len() == 2).await;
            assert!(means().iter().any(|wallet| wallet.session() == genuine.session()));
        }
    }
}
