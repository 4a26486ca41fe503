package sasl

// The types of channel binding that Go can give a server; package cert gets
// the data out of a connection.
const (
	TLSExporter       = "tls-exporter"         // RFC 9266
	TLSServerEndPoint = "tls-server-end-point" // RFC 5929 section 4
)

// Binding is what both ends know of one TLS channel and nobody between them.
type Binding struct {
	Type string
	Data []byte
}
