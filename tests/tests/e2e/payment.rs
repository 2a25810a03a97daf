//! A payment on Ethereum, for which ethers is the judge.

use base64::{Engine, engine::general_purpose::STANDARD};
use quorate_client::Client;
use quorate_request::{SignRequest, WalletView};
use serde_json::json;

use crate::library::{assert_accepted, assert_none_accepted, ethereum_element, flips, run};

/// Has a wallet sign a transfer of each type: ethers accepts it, and with no bit changed. Gives the types.
pub(crate) async fn pay(client: &Client, wallet: &WalletView) -> Vec<String> {
    let address = wallet.addresses.iter().find(|view| view.name == "Ethereum").unwrap().address.clone();
    let key = hex::encode(wallet.public_key.as_bytes());
    assert_eq!(
        address,
        run::<String>("make.js", &[json!({ "make": "ethereum-address", "key": key })]).remove(0)
    );
    let mut names = Vec::new();
    for (name, kind) in [
        (
            "EIP-1559",
            json!({ "type": 2, "maxFeePerGas": "30000000000", "maxPriorityFeePerGas": "1000000000" }),
        ),
        ("legacy, EIP-155", json!({ "type": 0, "gasPrice": "30000000000" })),
    ] {
        let mut fields = json!({
            "chainId": 1, "nonce": 7, "gasLimit": "21000", "value": "1000000000000000000",
            "to": "0x52908400098527886E0F7030069857D2E4169EE7",
        });
        fields.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        let element = json!({ "make": "ethereum", "form": "bytes", "fields": fields });
        let transaction = STANDARD.decode(run::<String>("make.js", &[element]).remove(0)).unwrap();
        let request = SignRequest::transaction(wallet.wallet_id.clone(), "ethereum", transaction);
        let signed = client.sign(request).await.unwrap();
        let bytes = signed.signed_transaction.as_ref().unwrap().as_bytes();
        assert_accepted(&[name.to_owned()], &[ethereum_element(bytes, &address, signed.tx_id.as_deref())]);
        let changed: Vec<_> =
            flips(bytes).map(|(_, bytes)| ethereum_element(&bytes, &address, None)).collect();
        assert_none_accepted(&changed);
        names.push(name.to_owned());
    }
    names
}
