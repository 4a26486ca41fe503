// Package igd has the messages that a host exchanges with an Internet Gateway Device, the router of UPnP: the search
// for it (SSDP, UPnP Device Architecture 1.1, section 1), its description (section 2) and calls of its service
// WANIPConnection or WANPPPConnection (SOAP, section 3; IGD 1.0 and 2.0).
//
// It owns bytes and values, no socket. It is a narrow reader, and lenient where routers are sloppy: of HTTP/1.1 it
// knows what an answer to a request with "Connection: close" can look like; of XML elements and text, by their local
// names, passing over namespaces, attributes, comments and processing instructions. A document type is refused, and
// so is everything beyond the limits below, since whoever answers may be broken or hostile.
package igd

// Limits of what is read.
const (
	MaxHead  = 8 << 10  // bytes of status line and header
	MaxBody  = 64 << 10 // bytes of a description or an answer; real ones have 2 to 12 KB
	maxDepth = 32       // elements in elements
	maxText  = 1 << 10  // bytes of one text that is used
	maxURL   = 1 << 10
	maxList  = 64 // services of a description, values of an answer
)
