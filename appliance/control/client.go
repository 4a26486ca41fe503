package control

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"linnet/netsvc/config"
)

// Client is `linnet ctl`: it sends words and shows what comes back.
type Client struct {
	Dir    string // the data directory, in which the socket is
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Color  bool // Out is a terminal that shows colours
	Prompt Prompt
}

// Prompt asks a person. It is nil where there is none; answers are then lines of Client.In.
type Prompt interface {
	Ask(question string) (string, error)
	Secret(question string) (string, error) // without showing what is typed
}

// Run runs one command and returns the code to exit with.
func (c *Client) Run(argv []string) int {
	var conn net.Conn
	err := short(c.Dir, func(path string) (err error) {
		conn, err = net.Dial("unix", path)
		return err
	})
	if err != nil {
		return c.unreachable(err)
	}
	defer conn.Close()
	wd, _ := os.Getwd()
	request := appendObject(nil, field{key: "argv", list: append([]string{}, argv...)}, field{key: "dir", text: wd},
		field{key: "color", text: strconv.FormatBool(c.Color), flag: true}, field{key: "answers", text: "true", flag: true})
	if _, err := conn.Write(request); err != nil {
		return c.unreachable(err)
	}
	in, lines := bufio.NewReader(conn), bufio.NewReader(c.In)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			fmt.Fprintln(c.Err, "linnet ctl: the program went away without an answer")
			return ExitNoServer
		}
		o, err := parseObject(line)
		if err != nil {
			fmt.Fprintln(c.Err, "linnet ctl: the program answers in another language:", err)
			return ExitNoServer
		}
		if exit := o.text("exit"); exit != "" {
			code, err := strconv.Atoi(exit)
			if err != nil {
				code = ExitFailed
			}
			return code
		}
		if err := c.frame(conn, lines, o); err != nil {
			fmt.Fprintln(c.Err, "linnet ctl:", err)
			return ExitFailed
		}
	}
}

func (c *Client) frame(conn net.Conn, lines *bufio.Reader, o object) error {
	if o.flag("clear") && c.Color {
		_, err := io.WriteString(c.Out, "\x1b[H\x1b[2J")
		return err
	}
	if text, ok := o["err"]; ok && len(text) > 0 {
		_, err := io.WriteString(c.Err, "linnet ctl: "+text[0])
		return err
	}
	if question, ok := o["ask"]; ok && len(question) > 0 {
		answer, err := c.answer(lines, question[0], o.flag("secret"), o.flag("confirm"))
		if err != nil {
			return err
		}
		_, err = conn.Write(appendObject(nil, field{key: "answer", text: answer}))
		return err
	}
	_, err := io.WriteString(c.Out, o.text("out"))
	return err
}

// answer gets an answer from the person at the terminal, who types a new password twice, or from a pipe.
func (c *Client) answer(lines *bufio.Reader, question string, secret, confirm bool) (string, error) {
	switch {
	case confirm && c.Prompt == nil:
		return "", errors.New(question + " Use -yes where nobody can answer.")
	case confirm:
		answer, err := c.Prompt.Ask(question + " [y/N] ")
		if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
			return "yes", err
		}
		return "no", err
	case c.Prompt == nil:
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" && err != nil {
			return "", fmt.Errorf("%s: standard input has none", question)
		}
		return line, nil
	case !secret:
		return c.Prompt.Ask(question + ": ")
	}
	first, err := c.Prompt.Secret(question + ": ")
	if err != nil {
		return "", err
	}
	again, err := c.Prompt.Secret("once more: ")
	if err == nil && first != again {
		err = errors.New("these were two different ones")
	}
	return first, err
}

// unreachable explains why nothing could be asked.
func (c *Client) unreachable(err error) int {
	text := err.Error()
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		text = fmt.Sprintf("linnet does not run with the data directory %s; use -data DIR if it runs with another", c.Dir)
	case errors.Is(err, os.ErrPermission):
		text = fmt.Sprintf("%s is not for this user: use root or the user that linnet runs as", c.Dir)
	}
	fmt.Fprintln(c.Err, "linnet ctl:", text)
	return ExitNoServer
}

// Flags takes what stands before the command: -data and -config. It returns the rest.
func Flags(argv []string) (data, configFile string, rest []string, err error) {
	for len(argv) > 0 && strings.HasPrefix(argv[0], "-") {
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(argv[0], "-"), "-"), "=")
		if near := config.Nearest(name, []string{"data", "config"}); name != "data" && name != "config" {
			if near != "" {
				return "", "", nil, fmt.Errorf("there is no flag -%s; did you mean -%s?", name, near)
			}
			break // one of the server's: -json, -help
		}
		argv = argv[1:]
		if !given {
			if len(argv) == 0 {
				return "", "", nil, fmt.Errorf("-%s needs a value", name)
			}
			value, argv = argv[0], argv[1:]
		}
		if name == "data" {
			data = value
		} else {
			configFile = value
		}
	}
	return data, configFile, argv, nil
}
