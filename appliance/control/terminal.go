package control

import (
	"bufio"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// IsTerminal tells whether a person is at the other end of f.
func IsTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Terminal is a Prompt on the terminal that the program was started from.
type Terminal struct {
	In  *os.File
	Out *os.File
}

// Ask implements Prompt.
func (t *Terminal) Ask(question string) (string, error) {
	if _, err := t.Out.WriteString(question); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(t.In).ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// Secret implements Prompt. The terminal shows what is typed again afterwards, also when the program is
// interrupted meanwhile.
func (t *Terminal) Secret(question string) (string, error) {
	fd := int(t.In.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return "", err
	}
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		select {
		case <-signals:
			_ = unix.IoctlSetTermios(fd, unix.TCSETS, old)
			_, _ = t.Out.WriteString("\n")
			os.Exit(128 + int(syscall.SIGINT))
		case <-done:
		}
	}()
	line, err := t.Ask(question)
	signal.Stop(signals)
	close(done)
	_, _ = t.Out.WriteString("\n")
	if restored := unix.IoctlSetTermios(fd, unix.TCSETS, old); err == nil {
		err = restored
	}
	return line, err
}
