// Package usm is the user-based security model of SNMPv3: keys of users, codes that authenticate messages and
// the cipher around them.
//
// It owns the algorithms and the keys that were made for one engine. It does not parse messages, knows no
// socket and decides no rights: netsvc/snmp does, and keeps the time window.
//
// # Algorithms
//
// RFC 3414 (HMAC-SHA-1-96), RFC 7860 (HMAC with SHA-224 to SHA-512), RFC 3826 (AES-128 in CFB mode), and AES with
// 192 and 256 bits in the two ways in use: draft-blumenthal-aes-usm-04, which is what net-snmp calls AES-192
// and AES-256, and the key extension of draft-reeder-snmpv3-usm-3desede, which Cisco's and net-snmp's AES-256-C
// have. MD5 and DES are left out: a device of today has no reason to offer them.
//
// Pass-phrases become keys by hashing a megabyte for each (RFC 3414 appendix A.2, done by gosnmp); what a user
// needs afterwards is small and kept ready: two states of the hash, one schedule of the cipher. A User is
// therefore one lock and no garbage for each message.
package usm
