package control

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo terminal: the end of the person and that of the program.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestTerminal(t *testing.T) {
	person, program := terminal(t)
	if !IsTerminal(program) {
		t.Error("a terminal is none")
	}
	if file, err := os.Open(os.DevNull); err != nil || IsTerminal(file) {
		t.Errorf("a file is a terminal, %v", err)
	}
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(person)
	see := func(until string) string {
		var text strings.Builder
		for !strings.HasSuffix(text.String(), until) {
			c, err := screen.ReadByte()
			if err != nil {
				t.Fatalf("%v after %q", err, text.String())
			}
			text.WriteByte(c)
		}
		return text.String()
	}
	terminal := &Terminal{In: program, Out: program}
	answers := make(chan string)
	go func() {
		for _, ask := range []func(string) (string, error){terminal.Secret, terminal.Ask} {
			answer, err := ask("Q: ")
			if err != nil {
				t.Error(err)
			}
			answers <- answer
		}
	}()
	see("Q: ")
	if _, err := person.WriteString("hush\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got != "hush" {
		t.Errorf("the secret is %q", got)
	}
	if shown := see("Q: "); strings.Contains(shown, "hush") {
		t.Errorf("what was typed is shown: %q", shown)
	}
	if after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS); err != nil || after.Lflag != before.Lflag {
		t.Errorf("the terminal is not as it was: %x, %x, %v", before.Lflag, after.Lflag, err)
	}
	if _, err := person.WriteString("loud\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got != "loud" {
		t.Errorf("the answer is %q", got)
	}
	if shown := see("\n"); !strings.Contains(shown, "loud") {
		t.Errorf("what was typed is not shown: %q", shown)
	}
}
