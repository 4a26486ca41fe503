package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// bodySize is the length of each chat message's body in bytes.
const bodySize = 100

// padding fills a body up after the pair's and the message's number.
var padding = bytes.Repeat([]byte("linnet "), bodySize)[:bodySize-len("0000 0000000000 ")]

// frame builds one pair's messages. Only two runs of digits change from one to the next, so they are counted up in place.
type frame struct {
	bytes    []byte
	id, body []byte // the digits within bytes
	number   uint64 // of the message that bytes holds
}

func newFrame(pair int, to string) *frame {
	const digits = "0000000000"
	head := "<message to='" + to + "' type='chat' id='b"
	middle := fmt.Sprintf("'><body>%04d ", pair)
	f := &frame{bytes: []byte(head + digits + middle + digits + " " + string(padding) + "</body></message>")}
	f.id = f.bytes[len(head):][:len(digits)]
	f.body = f.bytes[len(head)+len(digits)+len(middle):][:len(digits)]
	return f
}

// next returns the next message; it is valid until the next call.
func (f *frame) next() []byte {
	f.number++
	for i := len(f.body) - 1; i >= 0; i-- {
		if f.body[i]++; f.body[i] <= '9' {
			break
		}
		f.body[i] = '0'
	}
	copy(f.id, f.body)
	return f.bytes
}

// order checks that the receiver of a pair gets every message exactly once and in order.
type order struct {
	pair int
	got  uint64 // messages received, and the number of the last
}

var (
	bodyStart = []byte("<body>")
	bodyEnd   = []byte("</body>")
)

// check takes the next message received.
func (o *order) check(stanza []byte) error {
	at := bytes.Index(stanza, bodyStart)
	if at < 0 || len(stanza) < at+len(bodyStart)+bodySize+len(bodyEnd) {
		return fmt.Errorf("pair %d got a message without the body sent: %s", o.pair, stanza)
	}
	body := stanza[at+len(bodyStart):]
	if !bytes.HasPrefix(body[bodySize:], bodyEnd) || !bytes.Equal(body[bodySize-len(padding):bodySize], padding) {
		return fmt.Errorf("pair %d got a changed body: %s", o.pair, stanza)
	}
	pair, errPair := strconv.Atoi(string(body[:4]))
	number, errNumber := strconv.ParseUint(string(body[5:15]), 10, 64)
	if errPair != nil || errNumber != nil || pair != o.pair {
		return fmt.Errorf("pair %d got a message that is not its own: %s", o.pair, stanza)
	}
	switch {
	case number == o.got+1:
		o.got = number
		return nil
	case number <= o.got:
		return fmt.Errorf("pair %d got message %d again, or late, after %d", o.pair, number, o.got)
	default:
		return fmt.Errorf("pair %d got message %d after %d: %d are missing or late", o.pair, number, o.got, number-o.got-1)
	}
}
