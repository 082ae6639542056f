package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duplex/internal/connect"
	"duplex/ws"
)

// connectFlags are what the flags of connect say besides the client's own settings.
type connectFlags struct {
	config         connect.Config
	dial           ws.DialOptions
	tls            connect.TLSFiles
	stdin, quiet   bool
	input, expect  string
	header         []string
	origin, proxy  string
	linger, ping   time.Duration
	connectTimeout time.Duration
}

func newConnect() *cobra.Command {
	f := connectFlags{}
	cmd := &cobra.Command{
		Use:   "connect URL",
		Short: "Connect to a server, send lines, print messages",
		Long: `Connect opens a WebSocket, sends each line of standard input as a text message (without the end of the line, LF or
CRLF) and prints each message that comes on a line of its own.

URL is ws://, wss://, http:// or https://HOST[:PORT]/PATH, or ws+unix:///SOCKET:/PATH; USER:PASSWORD@ before the host is sent
as Basic authentication.

On a terminal messages begin with "< ", what you type with "> ", and what happens with "* "; control characters in
messages are shown and not obeyed. Ctrl-D closes with 1000 and waits for the answer.

In a pipe or file, text is written as it came and binary as hex:00ff (--raw: as it came, with nothing around it). After
the end of input connect waits for replies until it has been quiet for --linger, and closes. With --expect, --count or
--timeout it waits for these instead, with --stay until the server closes. With --send standard input is read only if
--stdin is given.

--input prefixed reads lines and --send as hex:00ff, b64:AP8= and file:PATH, which are sent as binary messages, and
text:... for text that begins like one of these; any other line is text.

Exit status:
    0  closed with 1000, 1001 or without a code, or what --expect and --count wait for has come
    1  no connection; --expect or --count not met before --timeout or the end; any other failure
    2  wrong flag, URL or input
    3  the server answered the handshake with something else than 101
    4  closed with another code, by the server or because it broke the protocol
    5  connection lost: no Close frame (1006)
  130  interrupted (SIGINT, Ctrl-C), 143 terminated (SIGTERM), after closing with 1001`,
		Example: `  duplex connect ws://127.0.0.1:8080/ws
  echo hello | duplex connect ws://127.0.0.1:8080/ws
  duplex connect ws://127.0.0.1:8080/ws --send 'Trigger async' --expect '^Async' --timeout 5s
  duplex connect 'ws://127.0.0.1:8080/v3/room?api_key=demo&notify_self'
  duplex connect wss://device.local/ws --ca ca.pem --header 'X-Token: 1' --subprotocol chat
  printf 'hex:00ff\nfile:photo.jpg\n' | duplex connect --input prefixed ws://127.0.0.1:8080/ws`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("connect needs one URL, as in duplex connect ws://127.0.0.1:8080/ws, and got %d arguments", len(args))
			}
			return nil
		},
		RunE: runE(func(_ *cobra.Command, args []string) error { return f.run(args[0]) }),
	}
	f.define(cmd)
	return cmd
}

func (f *connectFlags) define(cmd *cobra.Command) {
	c, flags := &f.config, cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&c.Send, "send", "s", nil, "`text` to send, in order (repeatable); standard input is not read then")
	flags.BoolVar(&f.stdin, "stdin", false, "read standard input after --send")
	flags.StringVar(&f.input, "input", "plain", "plain, or prefixed with hex:, b64:, file: or text:")
	flags.StringVarP(&f.expect, "expect", "e", "", "exit 0 at the first message that matches the regular expression `regex`")
	flags.IntVarP(&c.Count, "count", "n", 0, "exit 0 after so many messages; with --expect, that match")
	flags.DurationVarP(&c.Timeout, "timeout", "t", 0, "close after this time; exit 1 if --expect or --count was not met")
	flags.DurationVar(&f.linger, "linger", connect.DefaultLinger, "how long it must be quiet behind the last input; 0 closes at once")
	flags.BoolVar(&c.Stay, "stay", false, "after the last input stay until the server closes")
	flags.BoolVar(&c.Raw, "raw", false, "write binary messages to a pipe or file as they are")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "nothing on standard error but errors")
	flags.StringArrayVarP(&f.header, "header", "H", nil, "header field `\"Name: value\"` for the request (repeatable)")
	flags.StringArrayVar(&f.dial.Subprotocols, "subprotocol", nil, "`name` of a subprotocol to offer, the preferred first (repeatable)")
	flags.StringVar(&f.origin, "origin", "", "`origin` to send, as a page would")
	flags.BoolVarP(&f.tls.Insecure, "insecure", "k", false, "accept any certificate")
	flags.StringVar(&f.tls.CA, "ca", "", "PEM `file` of authorities to trust besides the system's")
	flags.StringVar(&f.tls.Cert, "cert", "", "PEM `file` with a certificate of our own")
	flags.StringVar(&f.tls.Key, "key", "", "PEM `file` with its key")
	flags.StringVar(&f.proxy, "proxy", "", "`url` of a proxy (http, https, socks5), or none; default from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY")
	flags.DurationVar(&f.connectTimeout, "connect-timeout", ws.DefaultHandshakeTimeout, "longest wait for the connection and the handshake")
	flags.DurationVar(&f.ping, "ping", ws.DefaultPingInterval, "time between keep-alive pings; 0 for none")
}

func (f *connectFlags) run(url string) error {
	c := f.config
	c.URL, c.Out = url, os.Stdout
	if err := f.translate(&c); err != nil {
		return err
	}
	if len(c.Send) == 0 || f.stdin {
		c.In = os.Stdin
	}
	c.Typed = c.In != nil && isTerminal(os.Stdin)
	c.Marks = isTerminal(os.Stdout)
	if !f.quiet && isTerminal(os.Stderr) {
		c.Status = os.Stderr
	}
	ctx, stop := interruptible()
	defer stop()
	if c.Typed && c.Marks && os.Getenv("TERM") != "dumb" {
		editor, err := connect.NewEditor(os.Stdin, os.Stdout)
		if err != nil {
			return fmt.Errorf("cannot edit lines on this terminal: %w", err)
		}
		defer func() { _ = editor.Close() }() // the program ends
		if c.Edit = editor; c.Status != nil {
			c.Status = editor // the prompt must survive
		}
	}
	return connect.Run(ctx, c)
}

// translate reads the flags that are not settings as they stand.
func (f *connectFlags) translate(c *connect.Config) (err error) {
	switch f.input {
	case "plain", "prefixed":
		c.Prefixed = f.input == "prefixed"
	default:
		return usageError{fmt.Errorf("--input %q is not one of plain and prefixed", f.input)}
	}
	if f.expect != "" {
		if c.Expect, err = regexp.Compile(f.expect); err != nil {
			return usageError{fmt.Errorf("--expect: %w", err)}
		}
	}
	switch {
	case c.Count < 0 || c.Timeout < 0 || f.linger < 0 || f.ping < 0 || f.connectTimeout <= 0:
		return usageError{errors.New("--count, --timeout, --linger, --ping and --connect-timeout are not negative")}
	case f.stdin && len(c.Send) == 0:
		return usageError{errors.New("--stdin is for use with --send: without it standard input is read anyway")}
	}
	if c.Linger = f.linger; c.Linger == 0 {
		c.Linger = -1
	}
	d := f.dial
	d.HandshakeTimeout = f.connectTimeout
	if d.PingInterval = f.ping; d.PingInterval == 0 {
		d.PingInterval = -1
	}
	if d.Header, err = connect.Header(f.header, f.origin); err != nil {
		return err
	}
	if d.TLS, err = f.tls.Config(); err != nil {
		return err
	}
	d.Proxy, err = connect.Proxy(f.proxy)
	c.Dial = &d
	return err
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// interruptible returns a context that ends with the first signal to end, for the reason that gives the exit status.
// The second one does what it does to any program.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			status := connect.StatusInterrupt
			if s == syscall.SIGTERM {
				status = connect.StatusTerminate
			}
			cancel(&connect.Error{Status: status})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); signal.Stop(signals) }
}
