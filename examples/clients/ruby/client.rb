#!/usr/bin/env ruby
# frozen_string_literal: true

# A client of Countersign, in Ruby's standard library.
#
#     client.rb enrol CA_URL TOKEN_FILE    a key and a certificate, for an enrolment token → client.pem
#     client.rb call URL                   calls URL every second, and takes up a renewed client.pem without a restart
#     client.rb renew CA_URL               another key and another certificate → client.pem
#
# It works in the current folder, where ca.crt is the CA's root. client.pem is key, certificate and issuing CA.

require "fileutils"
require "json"
require "net/http"
require "openssl"

# The CA or the service has said no.
class Refused < StandardError; end

FAULTS = [Refused, SystemCallError, SocketError, IOError, Timeout::Error, OpenSSL::OpenSSLError, URI::Error].freeze

def enrol(ca_url, token_file)
  raise Refused, "client.pem is there already: renew it, or move it away" if File.exist?("client.pem")

  token = File.read(token_file).strip
  raise Refused, "#{token_file} has no token" unless token.match?(/\A\w+\z/)

  key, csr = pending_request
  install(key, ask(URI("#{ca_url}/v1/certificates"), nil, csr, "Authorization" => "Bearer #{token}"))
end

def renew(ca_url)
  key, csr = pending_request
  install(key, ask(URI("#{ca_url}/v1/certificates/renew"), File.read("client.pem"), csr))
end

def call(url)
  uri = URI(url)
  credential = File.read("client.pem")
  connection = nil
  loop do
    begin
      # A renewal puts another file in its place. While there is none, the one from before will do.
      found = File.exist?("client.pem") ? File.read("client.pem") : credential
      if connection.nil? || found != credential
        # A connection keeps the certificate of its handshake, so another certificate needs another connection.
        connection&.finish
        connection = nil
        connection = connect(uri, credential = found)
      end
      puts send_request(connection, Net::HTTP::Get.new(uri)).strip
    rescue Refused => error # this may pass, as when an admin suspends and resumes it
      report(error)
    rescue *FAULTS => error
      report(error)
      connection = nil
    end
    sleep 1
  end
end

# Returns the key and the CSR of next.pem, which is made if it is not there.
#
# They are on the disk before they are sent, and stay until there is a certificate. So when an answer gets lost, the next
# attempt sends the same CSR and is given the same answer. The CA takes another CSR for somebody else's: it refuses the
# token as used, or suspends the client as one whose key was copied.
def pending_request
  unless File.exist?("next.pem")
    key = OpenSSL::PKey::EC.generate("prime256v1")
    csr = OpenSSL::X509::Request.new # the CA takes nothing but the key from it, so the name stays empty
    csr.version = 0
    csr.public_key = key
    csr.sign(key, "SHA256")
    write("next.pem.new", key.private_to_pem + csr.to_pem)
    File.rename("next.pem.new", "next.pem")
  end
  text = File.read("next.pem")
  [OpenSSL::PKey.read(text), OpenSSL::X509::Request.new(text)]
end

# Sends the CSR and returns the chain (PEM): the certificate, then the issuing CA.
def ask(uri, credential, csr, headers = {})
  types = { "Content-Type" => "application/pkcs10", "Accept" => "application/pem-certificate-chain" }
  request = Net::HTTP::Post.new(uri, types.merge(headers))
  request.body = csr.to_pem
  connection = connect(uri, credential)
  send_request(connection, request)
ensure
  connection&.finish
end

def install(key, chain)
  raise Refused, "this is not the key's certificate" unless OpenSSL::X509::Certificate.new(chain).check_private_key(key)

  write("client.pem.new", key.private_to_pem + chain)
  File.rename("client.pem.new", "client.pem")
  File.delete("next.pem")
end

def connect(uri, credential = nil)
  connection = Net::HTTP.new(uri.host, uri.port)
  connection.use_ssl = true # it checks the server's name as well
  root = OpenSSL::X509::Certificate.new(File.read("ca.crt"))
  connection.cert_store = OpenSSL::X509::Store.new.add_cert(root) # and no other CA
  connection.open_timeout = connection.read_timeout = 30
  if credential
    connection.key = OpenSSL::PKey.read(credential)
    connection.cert, *connection.extra_chain_cert = OpenSSL::X509::Certificate.load(credential)
  end
  connection.start
end

def send_request(connection, request)
  answer = connection.request(request)
  return answer.body if answer.is_a?(Net::HTTPSuccess)

  problem = JSON.parse(answer.body) # RFC 9457
  raise Refused, "#{problem.fetch("code")}: #{problem.fetch("detail")}"
rescue JSON::ParserError, KeyError
  raise Refused, "HTTP status #{answer.code}"
end

# A new file, for this user alone, and onto the disk. A rename afterwards puts it in its place at once, or not at all.
def write(path, text)
  FileUtils.rm_f(path)
  File.open(path, File::WRONLY | File::CREAT | File::EXCL, 0o600) do |file|
    file.write(text)
    file.fsync
  end
end

def report(error)
  warn(error.is_a?(Refused) ? error.message : "#{error.class}: #{error.message}")
end

$stdout.sync = true
begin
  case ARGV
  in ["enrol" | "call" | "renew", url, *] unless url.start_with?("https://")
    abort "the URL has to begin with https://"
  in ["enrol", ca_url, token_file] then enrol(ca_url.chomp("/"), token_file)
  in ["call", url] then call(url)
  in ["renew", ca_url] then renew(ca_url.chomp("/"))
  else abort "usage: client.rb enrol CA_URL TOKEN_FILE | call URL | renew CA_URL"
  end
rescue *FAULTS => error
  report(error)
  exit 1
end
