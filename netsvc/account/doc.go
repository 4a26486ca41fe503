// Package account keeps the users of the device, for every service on it: who
// exists, with which credentials and role, who may not log in, and who tries too
// often.
//
// # What it owns
//
// Accounts owns the tables account, account.* and a bounded cache of who exists.
// Each account has a number (ID) that is never used again: an account that was
// deleted and made anew is another person, and rows that anybody keeps under the
// old number can never become the new one's. Deleting an account deletes the rows
// of every declared table with owner Account, in the commit that deletes the
// account itself.
//
// A password is never stored: Create and SetPassword derive SCRAM keys of SHA-1,
// SHA-256 and SHA-512 from it. Guard counts failed logins, in memory only.
//
// # What it does not do
//
// It speaks no protocol: the SASL machines (wire/sasl) ask the Directory, stream
// negotiation asks the Guard, registration (XEP-0077) and the admin commands call
// the methods that change things. Whether somebody may register at all is their
// policy; invitations are kept here because redeeming one and creating the
// account have to be one commit.
//
// # Waiting
//
// Lookup and Exists answer from memory, or with one short read. Everything that
// changes something waits for its commit, and Create and SetPassword first for
// the derivation of keys (a second on a small board): neither may be called by
// a connection's reader, or under a lock.
//
// Specifications: RFC 5802 and RFC 7677 (what is stored), XEP-0227 1.1 (names of
// the exported elements).
package account
