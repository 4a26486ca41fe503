package flow

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestPipeEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		c := NewConn(a)
		out := NewOutbox(c, 1000)
		go func() {
			var buf Buffer
			for c.Fill(&buf) == nil {
				out.AddBytes(append([]byte(nil), buf.Bytes()...))
				buf.Discard(buf.Len())
			}
			out.Close(time.Second, []byte("bye"))
		}()
		b.Write([]byte("hello"))
		got := make([]byte, 5)
		if _, err := io.ReadFull(b, got); err != nil || string(got) != "hello" {
			t.Fatalf("echo: %q, %v", got, err)
		}
		c.Kick()
		rest, err := io.ReadAll(b)
		if string(rest) != "bye" || err != nil {
			t.Fatalf("farewell: %q, %v", rest, err)
		}
	})
}
