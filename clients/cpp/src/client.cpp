// SPDX-License-Identifier: Apache-2.0
#include "vcf/client.hpp"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <random>
#include <regex>
#include <thread>

#include "contract.hpp"

namespace vcf {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
constexpr double kPatience = 1.0, kLeastAttempt = 0.1;

double random_share() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return std::uniform_real_distribution<double>()(random);
}

}  // namespace

struct Client::Servers {
  struct Server {
    std::string address;
    std::unique_ptr<inference::GRPCInferenceService::Stub> service;
    std::atomic<bool> speaks{false};
  };

  Options options;
  std::vector<std::unique_ptr<Server>> all;
  std::atomic<unsigned> turn{0};

  void add(const std::string& address) {
    if (!options.api_key.empty() && !options.tls && !std::regex_match(address, std::regex("(127\\..*|localhost|\\[::1\\]):\\d+"))) {
      throw std::invalid_argument("an API key goes to other machines over TLS only");
    }
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(contract()["limits"]["message_bytes"]);
    arguments.SetMaxReceiveMessageSize(contract()["limits"]["message_bytes"]);
    for (const auto& [name, value] : std::map<std::string, int>{{GRPC_ARG_ENABLE_HTTP_PROXY, 0},  // to this address and nowhere else
                                                                {GRPC_ARG_ENABLE_RETRIES, 0},
                                                                {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100},
                                                                {GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000},
                                                                {GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000},
                                                                {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1}}) {
      arguments.SetInt(name, value);
    }
    const auto security = options.tls ? grpc::SslCredentials({options.ca, options.key, options.certificate}) : grpc::InsecureChannelCredentials();
    auto channel = grpc::CreateCustomChannel(address, security, arguments);
    all.push_back(std::make_unique<Server>());
    all.back()->address = address;
    all.back()->service = inference::GRPCInferenceService::NewStub(channel);
  }

  void prepare(grpc::ClientContext& context, double seconds) const {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
    const auto equals = options.api_key.find('=');
    if (equals != std::string::npos) {
      context.AddMetadata(contract()["api_key_header_prefix"].get<std::string>() + options.api_key.substr(0, equals), options.api_key.substr(equals + 1));
    }
  }

  /** Ask a server once which contract it speaks; of one that does not say, the study itself tells what is wrong. */
  void compare(Server& server, double left_s) const {
    grpc::ClientContext context;
    prepare(context, std::min(kPatience, left_s));
    inference::ModelConfigRequest request;
    request.set_name(kModel);
    inference::ModelConfigResponse response;
    if (!server.service->ModelConfig(&context, request, &response).ok()) return;
    const auto& parameters = response.config().parameters();
    const auto said = parameters.find(contract()["served_as"]["version"].get<std::string>());
    if (said == parameters.end()) return;
    const std::string ours = contract()["version"], theirs = said->second.string_value();
    if (!std::regex_match(theirs, std::regex(ours.substr(0, ours.find('.')) + "\\.\\d+\\.\\d+"))) {
      throw Error("CONTRACT_DIFFERS", "the server at " + server.address + " speaks the contract " + theirs + ", this client " + ours, Retry::elsewhere);
    }
    server.speaks = true;
  }

  inference::ModelInferResponse ask(Server& server, inference::ModelInferRequest& request, Clock::time_point until) const {
    const auto left_s = [&] { return std::max(1e-6, Seconds(until - Clock::now()).count()); };
    if (!server.speaks) compare(server, left_s());
    request.set_id("cpp-" + std::to_string(std::random_device{}()) + std::to_string(std::random_device{}()));
    (*request.mutable_parameters())["timeout"].set_int64_param(static_cast<std::int64_t>(std::ceil(left_s() * 1e6)));
    (*request.mutable_parameters())["age_policy"].set_string_param(options.age_policy);
    grpc::ClientContext context;
    prepare(context, left_s());
    inference::ModelInferResponse response;
    const auto status = server.service->ModelInfer(&context, request, &response);
    if (!status.ok()) throw fault(status, server.address, options.tls);
    return response;
  }

  /** Ask the servers in turn, and again after a pause where no server has begun to work on the study. */
  inference::ModelInferResponse send(inference::ModelInferRequest& request, Clock::time_point until) {
    const unsigned first = turn++;
    for (int attempt = 1;; ++attempt) {
      std::optional<Error> kept;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (kept && Clock::now() >= until) throw *kept;
        try {
          return ask(*all[(first + i) % all.size()], request, until);
        } catch (const Error& failed) {
          if (failed.retry == Retry::never) throw;
          if (!kept || kept->retry != Retry::again) kept.emplace(failed);
        }
      }
      const auto& retry = contract()["retry"];
      const double longest = std::min(retry["longest_s"].get<double>(), retry["first_s"].get<double>() * std::pow(2.0, attempt - 1));
      const Seconds pause(random_share() * longest);
      const bool no_time = Clock::now() + pause + Seconds(kLeastAttempt) >= until;
      if (kept->retry == Retry::elsewhere || attempt >= options.attempts || no_time) throw *kept;
      std::this_thread::sleep_for(pause);
    }
  }
};

Client::Client(std::vector<std::string> addresses, Options options) : servers_(std::make_unique<Servers>()) {
  if (options.deadline_s == 0) options.deadline_s = contract()["defaults"]["deadline_s"];
  if (options.attempts == 0) options.attempts = contract()["retry"]["attempts"];
  if (!(options.deadline_s > 0) || options.attempts < 1) throw std::invalid_argument("a deadline and attempts above 0 are accepted");
  servers_->options = std::move(options);
  if (addresses.empty()) addresses.push_back(contract()["defaults"]["address"]);
  for (const auto& address : addresses) servers_->add(address);
}

Client::~Client() = default;

Findings Client::analyze(const std::string& study) {
  const auto started = Clock::now();
  auto [content, count] = read_study(study);
  const auto read = Clock::now();
  inference::ModelInferRequest request;
  request.set_model_name(kModel);
  auto* input = request.add_inputs();
  input->set_name(contract()["entry_models"][kModel]["inputs"][0]["name"]);
  input->set_datatype("BYTES");
  input->add_shape(count);
  for (const auto& name : contract()["findings"]["made_from"]) request.add_outputs()->set_name(name.get<std::string>());
  request.add_raw_input_contents(std::move(content));
  const auto prepared = Clock::now();
  const auto until = prepared + std::chrono::duration_cast<Clock::duration>(Seconds(servers_->options.deadline_s));
  const auto answer = servers_->send(request, until);
  const auto ms = [](Clock::time_point from, Clock::time_point to) { return Seconds(to - from).count() * 1e3; };
  return findings_of(answer, request.ByteSizeLong(),
                     {{"read", ms(started, read)}, {"prepare", ms(read, prepared)}, {"network", ms(prepared, Clock::now())}});
}

}  // namespace vcf
