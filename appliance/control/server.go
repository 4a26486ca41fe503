package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"linnet/netsvc/command"
	"linnet/netsvc/log"
)

// SocketName is the name of the socket in the data directory.
const SocketName = "control.sock"

// Limits of the server. Who may connect can stop the program anyway; they are against mistakes.
const (
	maxClients = 16
	maxLine    = 1 << 20          // bytes of one line
	firstLine  = 10 * time.Second // until the request is there
	answerTime = 5 * time.Minute  // for a person who was asked
	writeTime  = 10 * time.Second // for a client that does not read
)

// Exit codes of `linnet ctl`.
const (
	ExitOK        = 0
	ExitFailed    = 1 // it was tried and failed
	ExitUsage     = 2 // the command line is wrong
	ExitNoServer  = 3 // nothing was tried: the program does not run, or not for this user
	ExitForbidden = 4 // not for this caller, or never possible
	ExitNotFound  = 5 // what the command is about does not exist
	ExitConflict  = 6 // it exists already, or changed meanwhile
)

// Server answers on the socket. Its methods may be called by any goroutine.
type Server struct {
	set  func() *command.Set
	log  *log.Logger
	ln   *net.UnixListener
	stop context.CancelFunc

	mu     sync.Mutex
	closed bool
	conns  map[*net.UnixConn]bool
	done   sync.WaitGroup
}

// Listen opens the socket in dir, which only one program may do at a time: the caller holds the lock of the
// store that is in the same directory, and so a socket that is there already is a dead one. set returns the
// commands of the current generation.
func Listen(dir string, set func() *command.Set, log *log.Logger) (*Server, error) {
	path := filepath.Join(dir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var ln *net.UnixListener
	err := short(dir, func(path string) (err error) {
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // by whatever name it was bound, it is removed by this one
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{set: set, log: log, ln: ln, conns: make(map[*net.UnixConn]bool)}
	s.stop = func() {
		cancel()
		ln.Close()
		os.Remove(path)
	}
	s.done.Add(1)
	go s.accept(ctx)
	return s, nil
}

// short calls use with a path of the socket that fits into a socket address, whose path ends at 107 bytes:
// a long one is taken through an open directory.
func short(dir string, use func(path string) error) error {
	path := filepath.Join(dir, SocketName)
	if len(path) <= 107 {
		return use(path)
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), SocketName))
}

// Close ends all commands that are running and waits until they have returned.
func (s *Server) Close() {
	s.stop()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.SetReadDeadline(time.Now()) // ends what waits for an answer; a last line can still be written
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *Server) accept(ctx context.Context) {
	defer s.done.Done()
	for {
		c, err := s.ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, most likely: others will give some back
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		s.mu.Lock()
		full := s.closed || len(s.conns) >= maxClients
		if !full {
			s.conns[c] = true
			s.done.Add(1)
		}
		s.mu.Unlock()
		if full {
			c.Close()
			continue
		}
		go s.serve(ctx, c)
	}
}

func (s *Server) serve(ctx context.Context, c *net.UnixConn) {
	defer s.done.Done()
	ctx, cancel := context.WithCancel(ctx)
	session := &session{server: s, conn: c, in: bufio.NewReaderSize(c, 4096), cancel: cancel}
	defer func() {
		cancel()
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	caller, err := peer(c)
	if err != nil {
		s.log.Warn("control connection refused", "cause", err)
		session.send(field{key: "err", text: err.Error() + "\n"})
		session.exit(ExitNoServer)
		return
	}
	session.within(firstLine)
	request, err := session.read()
	if err != nil {
		return
	}
	session.within(0)
	session.exit(session.run(ctx, caller, request))
}

// peer asks the kernel who connected.
func peer(c *net.UnixConn) (command.Caller, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return command.Caller{}, err
	}
	var cred *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return command.Caller{}, err
	}
	if failed != nil {
		return command.Caller{}, failed
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		return command.Caller{}, fmt.Errorf("user %d may not control this program: use root or the user it runs as", cred.Uid)
	}
	name := "root"
	if cred.Uid != 0 {
		name = "uid " + strconv.Itoa(int(cred.Uid))
	}
	return command.Caller{Name: name, Role: command.Admin, Via: "ctl", Local: true}, nil
}

// session is one connection, which runs one command. It is used by one goroutine, but for the one that
// watches for the client to go (watchEnd).
type session struct {
	server *Server
	conn   *net.UnixConn
	in     *bufio.Reader
	cancel context.CancelFunc
	color  bool
}

// within sets how long the next line may take, 0 for as long as it wants; not when the server is being closed,
// whose own deadline would be gone.
func (s *session) within(d time.Duration) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	switch {
	case s.server.closed:
	case d == 0:
		_ = s.conn.SetReadDeadline(time.Time{})
	default:
		_ = s.conn.SetReadDeadline(time.Now().Add(d))
	}
}

func (s *session) read() (object, error) {
	var line []byte
	for {
		part, err := s.in.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxLine {
			return nil, errJSON
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return parseObject(line)
	}
}

func (s *session) send(fields ...field) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTime))
	_, err := s.conn.Write(appendObject(nil, fields...))
	return err
}

func (s *session) exit(code int) {
	_ = s.send(field{key: "exit", text: strconv.Itoa(code)})
}

func (s *session) fail(err error) int {
	_ = s.send(field{key: "err", text: err.Error() + "\n"})
	var u *usageError
	if errors.As(err, &u) {
		return ExitUsage
	}
	switch command.ReasonOf(err) {
	case command.BadArgument, command.Unknown:
		return ExitUsage
	case command.Forbidden, command.NotAllowed:
		return ExitForbidden
	case command.NotFound:
		return ExitNotFound
	case command.Conflict:
		return ExitConflict
	}
	return ExitFailed
}

// run runs what the request asks for and returns the code to exit with.
func (s *session) run(ctx context.Context, caller command.Caller, request object) int {
	s.color = request.flag("color")
	set := s.server.set()
	mine := set.For(caller)
	w, err := parse(mine, request["argv"], request.text("dir"))
	if err != nil {
		return s.fail(err)
	}
	if w.help != nil {
		return s.help(mine, w.help, w.json)
	}
	if w.watch > 0 && w.command.Effect != command.Read {
		return s.fail(usage("-watch is for commands that change nothing"))
	}
	if err := s.complete(w, request.flag("answers")); err != nil {
		return s.fail(err)
	}
	s.watchEnd()
	for {
		part := false // parts of a result were shown
		result, err := set.Stream(ctx, caller, w.command.Name, w.args, func(r *command.Result) error {
			part = true
			return s.show(r, w.json)
		})
		if err != nil {
			return s.fail(err)
		}
		if err := ctx.Err(); err != nil {
			return ExitFailed
		}
		if !part || !result.IsEmpty() {
			if err := s.show(result, w.json); err != nil {
				return ExitFailed
			}
		}
		if w.watch == 0 {
			return ExitOK
		}
		select {
		case <-ctx.Done():
			return ExitOK
		case <-time.After(w.watch):
		}
		if set = s.server.set(); set.Find(w.command.Name) == nil { // a reload took it away
			return s.fail(command.Fail(command.Unknown, "%s is gone", w.command.Name))
		}
		if !w.json {
			_ = s.send(field{key: "clear", text: "true", flag: true})
		}
	}
}

// help shows all commands, those that begin with the words, or one.
func (s *session) help(set []*command.Command, argv []string, json bool) int {
	var r *command.Result
	if len(argv) == 0 {
		r = overview(set)
	} else if c, _ := find(set, argv); c != nil {
		r = command.Say(help(c))
	} else if group, _ := below(set, argv...); len(group) > 0 {
		r = overview(group)
	} else {
		return s.fail(unknown(set, argv))
	}
	_ = s.show(r, json)
	return ExitOK
}

// complete asks for what is missing: passwords, and whether what cannot be undone is meant. Nobody is asked for
// a command that lacks something else, or whose words are wrong.
func (s *session) complete(w *words, answers bool) error {
	for i := range w.command.Args {
		if a := &w.command.Args[i]; a.Kind != command.Password && a.Required && a.Default == "" && len(w.args[a.Name]) == 0 {
			return usage("%s is missing: %s", a.Name, synopsis(w.command))
		}
	}
	for i := range w.command.Args {
		a := &w.command.Args[i]
		if a.Kind != command.Password || !a.Required || len(w.args[a.Name]) > 0 {
			continue
		}
		if !answers {
			return usage("-%s is missing", a.Name)
		}
		answer, err := s.askFor(w, field{key: "ask", text: a.Help}, field{key: "secret", text: "true", flag: true})
		if err != nil {
			return err
		}
		w.args[a.Name] = []string{answer}
	}
	if w.command.Effect != command.Danger || w.yes || !answers {
		return nil
	}
	answer, err := s.askFor(w, field{key: "ask", text: w.command.Name + ": are you sure?"}, field{key: "confirm", text: "true", flag: true})
	if err == nil && answer != "yes" {
		err = errors.New("nothing was done")
	}
	return err
}

// askFor asks about a command whose words are right, as far as they can be told without running it.
func (s *session) askFor(w *words, question ...field) (string, error) {
	if err := w.command.CheckArgs(w.args); err != nil {
		return "", err
	}
	return s.ask(question...)
}

func (s *session) ask(question ...field) (string, error) {
	if err := s.send(question...); err != nil {
		return "", err
	}
	s.within(answerTime)
	defer s.within(0)
	o, err := s.read()
	if err != nil {
		return "", errors.New("there was no answer")
	}
	return o.text("answer"), nil
}

// watchEnd ends the command when the client goes. Nothing more is read from it after that.
func (s *session) watchEnd() {
	s.server.done.Add(1)
	go func() {
		defer s.server.done.Done()
		_, _ = s.in.ReadByte()
		s.cancel()
	}()
}

func (s *session) show(r *command.Result, json bool) error {
	var b []byte
	switch {
	case json:
		b = append(r.AppendJSON(nil), '\n')
	case s.color:
		b = r.AppendTable(nil, "\x1b[1m", "\x1b[0m")
	default:
		b = r.AppendTable(nil, "", "")
	}
	if len(b) == 0 {
		return nil
	}
	return s.send(field{key: "out", text: string(b)})
}
