package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"duplex/internal/console"
	"duplex/internal/service"
	"duplex/ws"
)

// serveFlags are what the flags of serve say besides the service's own settings.
type serveFlags struct {
	config                 service.Config
	maxMessage, queueLimit byteSize
	logFormat, logLevel    string
}

func newServe() *cobra.Command {
	f := serveFlags{maxMessage: ws.DefaultMaxMessage, queueLimit: ws.DefaultQueueLimit}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve an echo, channels and a page to try them",
		Long: `Serve answers at these paths:

  /ws                     echoes every message; the text "Trigger async" is answered with "Async data" from queued work
  /v3/CHANNEL?api_key=KEY relays each message to the channel's other members, and with &notify_self to its sender too
  /                       a page to try both in a browser
  /healthz                "ok"

The key of the channels is "demo" when only this machine can connect; on any other address channels are closed until
there is an --api-key. Pages of other hosts may connect if --origin names them.

What happens is logged to standard error: as text on a terminal, else as JSON. SIGINT and SIGTERM close every
connection with 1001 and wait for the answers; a second signal ends at once.

Each flag can also be set by an environment variable, as DUPLEX_LISTEN for --listen or DUPLEX_API_KEY for --api-key; a
flag that may be repeated takes its values separated by commas there. The flag wins.

Exit status: 0 after a signal when every connection was closed in time, 1 for a failure, 2 for a wrong flag or setting.`,
		Example: `  duplex serve
  duplex serve --listen :8080 --api-key "$(cat key)"
  duplex serve --listen :443 --tls-cert cert.pem --tls-key key.pem --origin '*.example.com'`,
		Args: cobra.NoArgs,
		RunE: runE(func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd); err != nil {
				return err
			}
			return f.run()
		}),
	}
	f.define(cmd)
	return cmd
}

func (f *serveFlags) define(cmd *cobra.Command) {
	c, flags := &f.config, cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&c.Listen, "listen", service.DefaultListen, "`host:port` to listen on; without a host every address, port 0 any free one")
	flags.StringArrayVar(&c.Keys, "api-key", nil, "`key` that opens the channels (repeatable)")
	flags.StringVar(&c.TLSCert, "tls-cert", "", "PEM `file` with the certificate: serve https and wss")
	flags.StringVar(&c.TLSKey, "tls-key", "", "PEM `file` with the certificate's key")
	flags.StringArrayVar(&c.Origins, "origin", nil, "`pattern` of hosts whose pages may connect too, as in *.example.com; * for all (repeatable)")
	flags.StringArrayVar(&c.Subprotocols, "subprotocol", nil, "`name` of a subprotocol to agree to (repeatable)")
	flags.Var(&f.maxMessage, "max-message", "longest message taken; 0 for no limit")
	flags.IntVar(&c.MaxConnections, "max-connections", service.DefaultMaxConnections, "most WebSocket connections at once; 0 for no limit")
	flags.Var(&f.queueLimit, "queue-limit", "most bytes that wait for one slow reader")
	flags.DurationVar(&c.IdleTimeout, "idle-timeout", 0, "close a connection without a message for so long; 0 for never")
	flags.DurationVar(&c.PingInterval, "ping-interval", ws.DefaultPingInterval, "time between keep-alive pings; 0 for none")
	flags.DurationVar(&c.DrainTimeout, "drain-timeout", service.DefaultDrainTimeout, "longest wait for connections to close at the end")
	flags.BoolVarP(&c.Quiet, "quiet", "q", false, "no log line for each packet")
	flags.StringVar(&f.logFormat, "log-format", "auto", "auto, text or json")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
}

func (f *serveFlags) run() error {
	c := f.config
	if err := f.limits(&c); err != nil {
		return err
	}
	log, err := f.logger()
	if err != nil {
		return err
	}
	c.Log, c.Page = log, console.Handler()
	s, err := service.New(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal does what it does to any program
	return s.Run(ctx)
}

// limits translates what is 0 on the command line to what is none for the service.
func (f *serveFlags) limits(c *service.Config) error {
	switch {
	case c.MaxConnections < 0:
		return usageError{fmt.Errorf("--max-connections %d is no number of connections: write 0 for no limit", c.MaxConnections)}
	case c.PingInterval < 0:
		return usageError{fmt.Errorf("--ping-interval %v is no time to wait: write 30s, say, or 0 for no pings", c.PingInterval)}
	}
	none := func(n int64) int64 {
		if n == 0 {
			return -1
		}
		return n
	}
	c.MaxMessage = none(int64(f.maxMessage))
	c.MaxConnections = int(none(int64(c.MaxConnections)))
	c.PingInterval = time.Duration(none(int64(c.PingInterval)))
	if c.QueueLimit = int(f.queueLimit); c.QueueLimit <= 0 || int64(c.QueueLimit) != int64(f.queueLimit) {
		return usageError{fmt.Errorf("--queue-limit %s is no bound: write 1MiB, say", f.queueLimit.String())}
	}
	for name, d := range map[string]time.Duration{"idle-timeout": c.IdleTimeout, "drain-timeout": c.DrainTimeout} {
		if d < 0 || d == 0 && name == "drain-timeout" {
			return usageError{fmt.Errorf("--%s %v is no time to wait: write 10s, say", name, d)}
		}
	}
	return nil
}

func (f *serveFlags) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %q is not one of debug, info, warn and error", f.logLevel)}
	}
	format := service.JSON
	switch terminal := term.IsTerminal(int(os.Stderr.Fd())); {
	case f.logFormat != "auto" && f.logFormat != "text" && f.logFormat != "json":
		return nil, usageError{fmt.Errorf("--log-format %q is not one of auto, text and json", f.logFormat)}
	case terminal && f.logFormat != "json":
		format = service.Terminal
	case f.logFormat == "text":
		format = service.Text
	}
	return service.NewLogger(os.Stderr, format, level), nil
}
