// Floor is the least a Go program can do with the load of the benchmarks: it takes any login, looks for to= in what
// arrives, and copies the bytes to that user's socket. Nothing is parsed, checked, stamped or stored, so no XMPP server
// on the same sockets, runtime and machine can be cheaper; linnet's chat figures are read as a share of this one.
//
// What it shares with a real server is what the ratio should not reward: one goroutine per connection, blocking reads,
// TLS 1.3 by crypto/tls, and one write for neighbouring stanzas that go to the same user.
package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"log"
	"net"
	"strconv"
	"sync"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to accept clients at")
	certificate := flag.String("certificate", "", "PEM file for STARTTLS")
	key := flag.String("key", "", "PEM file of its key")
	flag.Parse()
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	users := &directory{sockets: map[string]*socket{}}
	settings := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn, settings, users)
	}
}

// directory finds a user's socket. It is read for every stanza and written only at logins.
type directory struct {
	mu      sync.RWMutex
	sockets map[string]*socket
}

func (d *directory) put(user string, s *socket) {
	d.mu.Lock()
	d.sockets[user] = s
	d.mu.Unlock()
}

func (d *directory) get(user []byte) *socket {
	d.mu.RLock()
	s := d.sockets[string(user)]
	d.mu.RUnlock()
	return s
}

// socket is one user's connection; writers of other connections take turns on it.
type socket struct {
	mu   sync.Mutex
	conn net.Conn
}

func (s *socket) write(b []byte) {
	s.mu.Lock()
	s.conn.Write(b) // a failed write shows up at the reader of that connection
	s.mu.Unlock()
}

func serve(conn net.Conn, settings *tls.Config, users *directory) {
	defer conn.Close()
	own := &socket{conn: conn}
	buf := make([]byte, 0, 16<<10)
	for {
		if len(buf) == cap(buf) {
			return // no stanza of the load is that long
		}
		n, err := own.conn.Read(buf[len(buf):cap(buf)])
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				log.Print(err)
			}
			return
		}
		buf = buf[:len(buf)+n]
		if !bytes.HasPrefix(buf, messageStart) {
			if !negotiate(own, buf, settings, users) {
				return
			}
			buf = buf[:0]
			continue
		}
		rest := forward(buf, users)
		buf = buf[:copy(buf, rest)]
	}
}

var (
	messageStart = []byte("<message")
	messageEnd   = []byte("</message>")
	addressee    = []byte("to='")
)

// forward copies every whole message to its addressee, neighbours for the same one in a single write, and returns
// what is left over.
func forward(buf []byte, users *directory) []byte {
	var last []byte // the addressee of the run that begins at start
	start, at := 0, 0
	for {
		end := bytes.Index(buf[at:], messageEnd)
		if end < 0 {
			break
		}
		end += at + len(messageEnd)
		to := user(buf[at:end])
		if last != nil && !bytes.Equal(to, last) {
			deliver(users, last, buf[start:at])
			start = at
		}
		last, at = to, end
	}
	if last != nil {
		deliver(users, last, buf[start:at])
	}
	return buf[at:]
}

func user(stanza []byte) []byte {
	from := bytes.Index(stanza, addressee)
	if from < 0 {
		return nil
	}
	from += len(addressee)
	to := bytes.IndexByte(stanza[from:], '@')
	if to < 0 {
		return nil
	}
	return stanza[from : from+to]
}

func deliver(users *directory, to, b []byte) {
	if s := users.get(to); s != nil {
		s.write(b)
	}
}

const (
	header   = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='floor' from='bench.local' version='1.0'>"
	offered  = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
	proceed  = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	success  = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	farewell = "</stream:stream>"
)

// negotiate says yes to whatever one read brought before the first message; false ends the connection.
// It relies on the load's clients, which wait for an answer before they go on.
func negotiate(own *socket, b []byte, settings *tls.Config, users *directory) bool {
	switch {
	case bytes.Contains(b, []byte("<stream:stream")):
		own.write([]byte(header + offered))
	case bytes.HasPrefix(b, []byte("<starttls")):
		own.write([]byte(proceed))
		secure := tls.Server(own.conn, settings)
		if err := secure.Handshake(); err != nil {
			log.Print(err)
			return false
		}
		own.conn = secure
	case bytes.HasPrefix(b, []byte("<auth")):
		own.write([]byte(success))
	case bytes.HasPrefix(b, []byte("</stream:stream")):
		own.write([]byte(farewell))
		return false
	default: // presence goes nowhere; each IQ is answered, and the one that binds says who this is
		for i := bytes.Index(b, []byte("<iq")); i >= 0; i = bytes.Index(b, []byte("<iq")) {
			b = b[i+3:]
			id := between(b, "id='", "'")
			answer := "<iq type='result' id='" + string(id) + "'/>"
			if resource := between(b, "<resource>", "</resource>"); resource != nil {
				users.put(string(resource), own)
				answer = "<iq type='result' id='" + string(id) + "'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>" +
					string(resource) + "@bench.local/" + strconv.Itoa(len(resource)) + "</jid></bind></iq>"
			}
			own.write([]byte(answer))
		}
	}
	return true
}

// between returns what stands between two marks, or nil.
func between(b []byte, before, after string) []byte {
	from := bytes.Index(b, []byte(before))
	if from < 0 {
		return nil
	}
	b = b[from+len(before):]
	to := bytes.Index(b, []byte(after))
	if to < 0 {
		return nil
	}
	return b[:to]
}
