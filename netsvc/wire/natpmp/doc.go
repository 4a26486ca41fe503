// Package natpmp encodes and decodes the messages of the NAT Port Mapping Protocol, RFC 6886, the forerunner of PCP
// (netsvc/wire/pcp) on the same UDP port.
//
// It owns bytes and values, no socket and no clock.
package natpmp
