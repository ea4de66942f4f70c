# A marketplace client in Ruby, on Net::HTTP, as the old gems were: whatever is not 200 is
# an error whose message is the reason phrase, and the envelope is named after the set.
#
# Arguments: the gateway over http, over https, the file of the authority. Prints a line
# for each of both.

require "json"
require "net/http"
require "openssl"
require "uri"

HOST = "marketplace.example.com"
KEY = "pk_demo_northwind_0123456789abcdef0123456789"
KNOWN = "d2b5a1c0-7f3e-4a68-9c11-3f0a5b7e9c42"
# Old clients give up after that.
PATIENCE = 14

def need(condition, *why)
  raise why.map(&:inspect).join(" ") unless condition
end

# Every scalar of an old answer is a string.
def strings?(value)
  case value
  when Hash then value.values.all? { |member| strings?(member) }
  when Array then value.all? { |member| strings?(member) }
  else value.is_a?(String)
  end
end

class Client
  def initialize(base, authority)
    @base = URI(base)
    @http = Net::HTTP.new(@base.host, @base.port)
    @http.use_ssl = @base.scheme == "https"
    @http.ca_file = authority
    @http.verify_mode = OpenSSL::SSL::VERIFY_PEER
    @http.open_timeout = @http.read_timeout = PATIENCE
  end

  # Net::HTTP asks for gzip by itself, and unpacks it.
  def fetch(path)
    request = Net::HTTP::Get.new(path, "Host" => HOST, "User-Agent" => "marketplace-ruby/1.2")
    answer = @http.start { |http| http.request(request) }
    raise answer.message unless answer.is_a?(Net::HTTPOK)
    need(answer["x-ratelimit-total"] == "100", answer.to_hash)
    JSON.parse(answer.body)
  end
end

http, https, authority = ARGV
[http, https].each do |base|
  client = Client.new(base, authority)
  %w[vitals recent-sales].each do |set|
    found = client.fetch("/api/v3/northwind/#{KEY}/#{set}.json")
    need(found.keys == [set] && strings?(found[set]), found)
  end
  purchase = client.fetch("/api/v1/northwind/#{KEY}/verify-purchase:#{KNOWN}.json")
  need(purchase["verify-purchase"]["licence"] == "Regular Licence", purchase)
  found = client.fetch("/api/edge/search:themeforest,,quiet%7Charbour.json")
  need(found["search"].length == 2, found)
  begin
    client.fetch("/api/v3/northwind/#{KEY}x/vitals.json")
    need(false, "a wrong key passed")
  rescue RuntimeError => error
    need(error.message == "Forbidden", error.message)
  end
  puts "ruby #{URI(base).scheme}"
end
