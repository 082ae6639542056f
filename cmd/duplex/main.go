// Duplex is WebSocket from the command line: a server to talk to, and a client to talk with.
//
//	duplex serve
//	duplex connect ws://127.0.0.1:8080/ws
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"duplex/internal/connect"
	"duplex/internal/service"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the program; it returns the exit status.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	status, text := outcome(cmd, err)
	if text != "" {
		fmt.Fprintln(os.Stderr, "duplex: "+text)
	}
	return status
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// ranError is an error of a command that ran; every other that cobra returns is about the command line.
type ranError struct{ error }

// Unwrap returns the error of the command.
func (e ranError) Unwrap() error { return e.error }

// outcome returns the exit status for an error and the one line to print, if any.
func outcome(cmd *cobra.Command, err error) (status int, text string) {
	var ran ranError
	var usage usageError
	var config *service.ConfigError
	var ended *connect.Error
	text = strings.Join(strings.Fields(err.Error()), " ") // cobra's suggestions come on lines of their own
	switch {
	case errors.As(err, &usage), !errors.As(err, &ran):
		return connect.StatusUsage, text + " (see " + cmd.CommandPath() + " --help)"
	case errors.As(err, &config):
		return connect.StatusUsage, text
	case errors.As(err, &ended) && ended.Err == nil:
		return ended.Status, ""
	}
	return connect.ExitStatus(err), text
}

// runE makes a command's function one whose errors outcome knows.
func runE(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return ranError{err}
		}
		return nil
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "duplex",
		Short: "WebSocket server and client",
		Long: `Duplex is WebSocket (RFC 6455) from the command line: a server to talk to, with an echo, channels and a page to try
them, and a client that talks in lines.`,
		Example: `  duplex serve                                    a server on http://127.0.0.1:8080/
  duplex connect ws://127.0.0.1:8080/ws           talk to it
  echo hello | duplex connect ws://127.0.0.1:8080/ws`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(newServe(), newConnect(), newVersion())
	return root
}
