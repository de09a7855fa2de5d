// A server that asks for client certificates, and refuses those that are revoked or suspended.
//
//	go run . -listen 127.0.0.1:8444 -cert server.pem -root ca/certs/root.crt -crls crls/all.pem
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8444", "where to listen")
	pair := flag.String("cert", "server.pem", "this server's certificate and key")
	root := flag.String("root", "ca/certs/root.crt", "the root that clients' certificates lead to")
	crls := flag.String("crls", "crls/all.pem", "every issuer's CRL, the root's too")
	flag.Parse()

	certificate, err := tls.LoadX509KeyPair(*pair, *pair)
	if err != nil {
		log.Fatal(err)
	}
	rootPem, err := os.ReadFile(*root)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(rootPem) {
		log.Fatal("no certificate in ", *root)
	}

	revoked := &revocation{file: *crls}
	server := &http.Server{
		Addr: *listen,
		TLSConfig: &tls.Config{
			Certificates:     []tls.Certificate{certificate},
			ClientAuth:       tls.RequireAndVerifyClientCert,
			ClientCAs:        roots,
			VerifyConnection: revoked.check,
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := revoked.check(*r.TLS); err != nil {
				w.Header().Set("Connection", "close")
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			fmt.Fprintf(w, "hello %s\n", r.TLS.PeerCertificates[0].Subject.CommonName)
		}),
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}
