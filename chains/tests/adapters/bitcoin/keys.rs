//! Which of the wallet's keys signs, and what comes back to one.

use super::*;

#[test]
fn a_key_with_a_script_tree_signs_with_its_tweak() {
    let root = [5; 32];
    let prevouts = [out(taproot(&wallet(), Some(root)), 100_000), prevouts()[1].clone()];
    let address =
        chain("bitcoin").address(&wallet().key(), AddressKind::Taproot { merkle_root: root }).unwrap();
    let mut psbt = payment();
    psbt.inputs[0].witness_utxo = Some(prevouts[0].clone());
    assert_eq!(prepare(&psbt), Err(PrepareError::ForeignInput { input: 0 }));
    psbt.inputs[0].tap_internal_key = Some(internal(&wallet()));
    psbt.inputs[0].tap_merkle_root = Some(TapNodeHash::from_byte_array(root));
    let prepared = prepare(&psbt).unwrap();
    assert_eq!(prepared.requests()[0].tweak, Some(Tweak::Taproot(Some(root))));
    assert_eq!(prepared.explain().transfers[0].from.iter().filter(|from| from.address == address).count(), 1);
    let (transaction, _) =
        complete(wallet().through(chain("bitcoin"), &psbt.serialize(), &wallet().context()));
    assert!(bitcoin_accepts(&transaction, &prevouts));
}

#[test]
fn children_that_the_psbt_names_are_found_and_believed_only_when_they_are_the_wallets() {
    let (root, path, child, origin) = derived("m/1/2");
    let spent = [out(taproot(&child, None), 100_000)];
    let mut psbt = psbt(&spent, &[out(taproot(&other(), None), 50_000), out(taproot(&child, None), 49_000)]);
    psbt.inputs[0].tap_internal_key = Some(internal(&child));
    psbt.inputs[0].tap_key_origins.insert(internal(&child), origin.clone());
    psbt.outputs[1].tap_internal_key = Some(internal(&child));
    psbt.outputs[1].tap_key_origins.insert(internal(&child), origin.clone());
    // Another's output that says that it is the wallet's.
    psbt.outputs[0].tap_internal_key = Some(internal(&child));
    psbt.outputs[0].tap_key_origins.insert(internal(&child), origin);
    let mut context = wallet().context();
    assert_eq!(chain("bitcoin").prepare(&psbt.serialize(), &context), Err(PrepareError::NotOurs));
    context.root = Some(root);
    let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
    assert_eq!(prepared.requests()[0].path, path);
    let own: Vec<bool> = prepared.explain().transfers.iter().map(|transfer| transfer.to.own).collect();
    assert_eq!(own, [false, true]);
    let (transaction, _) = complete(child.through(chain("bitcoin"), &psbt.serialize(), &context));
    assert!(bitcoin_accepts(&transaction, &spent));
    // The wrong path, a hardened one and one that is too long lead nowhere.
    for wrong in ["m/1/3", "m/1'/2", "m/1/2/3/4/5/6"] {
        let mut psbt = psbt.clone();
        psbt.inputs[0].tap_key_origins.get_mut(&internal(&child)).unwrap().1.1 = wrong.parse().unwrap();
        let refused = chain("bitcoin").prepare(&psbt.serialize(), &context);
        assert_eq!(refused, Err(PrepareError::NotOurs), "{wrong}");
    }
}

#[test]
fn the_key_that_signs_is_the_one_at_its_path() {
    let (_, path, child, _) = derived("m/1/2");
    let spent = [prevouts()[0].clone(), out(taproot(&child, None), 50_000)];
    let psbt = psbt(&spent, &[out(taproot(&other(), None), 149_000)]);
    let mut context = wallet().context();
    context.keys.push(WalletKey { path: path.clone(), key: child.key() });
    let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
    let asked: Vec<_> =
        prepared.requests().iter().map(|request| (request.slot, request.path.clone(), request.key)).collect();
    assert_eq!(asked, [(0, DerivationPath::default(), wallet().key()), (1, path, child.key())]);
}

#[test]
fn change_is_not_followed_to_where_nobody_would_find_it() {
    for (at, found) in
        [("m/1/999999", true), ("m/1/1000000", false), ("m/100/1", false), ("m/1/1/1/1", false)]
    {
        let (root, _, child, origin) = derived(at);
        let prepared = |mut context: Context| {
            let mut psbt = payment();
            psbt.unsigned_tx.output[1].script_pubkey = taproot(&child, None);
            psbt.outputs[1].tap_internal_key = Some(internal(&child));
            psbt.outputs[1].tap_key_origins.insert(internal(&child), origin.clone());
            context.root = Some(root);
            let prepared = chain("bitcoin").prepare(&psbt.serialize(), &context).unwrap();
            prepared.explain().transfers[1].to.own
        };
        assert_eq!(prepared(wallet().context()), found, "{at}");
        // Whoever knows of it says so.
        let mut context = wallet().context();
        context.keys.push(WalletKey { path: at.parse().unwrap(), key: child.key() });
        assert!(prepared(context), "{at}");
    }
}

#[test]
fn change_behind_a_script_tree_is_not_the_wallets() {
    let script = taproot(&wallet(), Some([5; 32]));
    let prepared = changed(|psbt| {
        psbt.unsigned_tx.output[1].script_pubkey = script;
        psbt.outputs[1].tap_internal_key = Some(internal(&wallet()));
    });
    assert_eq!(prepared.unwrap().explain().outgoing().count(), 2);
}

#[test]
fn a_psbt_that_lists_keys_of_another_network_is_refused() {
    // BIP-32, test vector 1, chain m.
    let main = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";
    let mut psbt = payment();
    psbt.xpub.insert(main.parse().unwrap(), Default::default());
    assert!(prepare(&psbt).is_ok());
    let refused = chain("signet").prepare(&psbt.serialize(), &wallet().context());
    assert_eq!(code(refused), "wrong_network");
}
