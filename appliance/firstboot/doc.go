// Package firstboot gives a new device what it cannot be asked for: a domain, a first administrator, a local
// certificate authority; and tells whoever stands before it how to go on (Welcome).
//
// What it decides is written to the store at the first start and stays, whatever the machine is called later.
// It owns the table "site". Accounts and certificates themselves are netsvc/account's and netsvc/cert's.
package firstboot
