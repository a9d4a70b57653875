// Probe is what the self-test of the cluster runs in pods: an image without a shell has to bring its own tools.
//
//	probe serve ADDRESS      answer every request with the pod's host name
//	probe resolve NAME       print the addresses of a name
//	probe get URL            print the body of an answer; fail unless it is 200
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const patience = 5 * time.Second

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: probe serve ADDRESS | resolve NAME | get URL"))
	}
	commands := map[string]func(string) error{"serve": serve, "resolve": resolve, "get": get}
	command, known := commands[os.Args[1]]
	if !known {
		fail(fmt.Errorf("unknown command %q", os.Args[1]))
	}
	if err := command(os.Args[2]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "probe:", err)
	os.Exit(1)
}

func serve(address string) error {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{Addr: address, ReadHeaderTimeout: patience, Handler: http.HandlerFunc(
		func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(answer, name) })}
	go func() {
		<-stop.Done()
		_ = server.Close()
	}()
	fmt.Println("serving on", address)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func resolve(name string) error {
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(limit, name)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addresses, "\n"))
	return nil
}

func get(url string) error {
	client := http.Client{Timeout: patience}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, answer.Status)
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}
