import Addressing
import Cluster
import DNS
import KubeAPI
import KubeClient
import Logging
import NameServer
import Plan
import Telemetry
import Testing

@testable import Agent

@Suite("a name server whose objects become others")
struct NameTurnTests {
    private func object(_ text: String) throws -> any KubernetesObject {
        try #require(Registry.standard.read(try JSONReader().value(text)).object, "\(text)")
    }

    private func service(_ name: String) throws -> any KubernetesObject {
        try object(
            #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\#(name)", "namespace": "shop"}, "spec": {"clusterIPs": ["10.96.0.80"]}}"#
        )
    }

    private func pod(_ name: String, at address: String) throws -> any KubernetesObject {
        try object(
            #"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\#(name)", "namespace": "shop"}, "spec": {}, "status": {"phase": "Running", "podIPs": [{"ip": "\#(address)"}]}}"#
        )
    }

    private func board() -> NameBoard {
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let forwarder = Forwarder(ForwardingSettings(), now: { .zero }, random: { 0 }, logger: logger)
        return NameBoard(
            NameFeed(NamePlan(), knowsClients: false),
            DNSServer(NameServerSettings(addresses: [], now: { .zero }), outside: forwarder, logger: logger), forwarder,
            QueryLog(now: { .zero }), label: "dns://:53", now: { .zero })
    }

    private func use(_ board: NameBoard, pods: NameSettings.PodRecords, domain: String = "cluster.local") throws -> [ObjectTurn] {
        let names = NameSettings(domain: try #require(DomainName(domain)), pods: pods)
        board.use(NameServerConfiguration(), names, knowsClients: false, collapsesSearches: false)
        return board.newTurns()
    }

    private func names(_ board: NameBoard) -> [String] {
        var served = ServedNames()
        _ = board.put(into: &served)
        return served.zones.all.flatMap { $0.records.filter { $0.type == .a }.map(\.name.description) }
    }

    private static let web = "web.shop.svc.cluster.local."
    private static let cart = "10-244-1-7.shop.pod.cluster.local."

    @Test("names of pods need another list: until it is there all is as it was, and then those of before are heard no more")
    func verified() throws {
        let board = board()
        let first = try use(board, pods: .disabled)
        #expect(first.map { $0.collections.map(\.resource.plural) } == [["services", "endpointslices", "namespaces"]])
        #expect(try use(board, pods: .disabled).isEmpty, "followed already")
        #expect(board.take([.listed([try service("web")])], first[0])?.isFirst == true)
        let second = try use(board, pods: .verified, domain: "k8s.example")
        #expect(second.map { $0.collections.map(\.resource.plural) } == [["services", "endpointslices", "namespaces", "pods"]])
        // Those who ask are answered as before, and by what happens meanwhile.
        #expect(names(board) == [Self.web])
        #expect(board.take([.added(try service("till"))], first[0])?.isChanged == true)
        #expect(names(board).count == 2)
        // Who may not read pods is told, and names go on.
        let fault = SourceFault(origin: "/api/v1/pods", message: "forbidden")
        #expect(board.take([.faults([fault])], second[0])?.problems.count == 1)
        #expect(names(board).count == 2)
        let news = board.take([.listed([try service("web"), try pod("cart", at: "10.244.1.7")])], second[0])
        #expect(news?.isChanged == true && news?.isFirst == false)
        #expect(names(board) == ["10-244-1-7.shop.pod.k8s.example.", "web.shop.svc.k8s.example."])
        #expect(board.take([.added(try service("till"))], first[0]) == nil)
        #expect(names(board).count == 2)
    }

    @Test("what needs no other objects holds at once, and fewer are followed from then on")
    func disabled() throws {
        let board = board()
        let first = try use(board, pods: .verified)[0]
        _ = board.take([.listed([try service("web"), try pod("cart", at: "10.244.1.7")])], first)
        #expect(names(board) == [Self.cart, Self.web])
        let second = try use(board, pods: .disabled)
        #expect(names(board) == [Self.web] && second[0].collections.count == 3)
        _ = board.take([.listed([try service("web")])], second[0])
        #expect(names(board) == [Self.web])
    }

    @Test("a wish that is taken back before its list has come, and a list that is older than the last wish, leave no trace")
    func back() throws {
        let board = board()
        let first = try use(board, pods: .disabled)[0]
        let second = try use(board, pods: .verified)[0]
        // The first list of all is one without pods: the cluster's names are known with it.
        #expect(board.take([.listed([try service("web")])], first)?.isFirst == true)
        #expect(names(board) == [Self.web])
        let third = try use(board, pods: .disabled)[0]
        _ = board.take([.listed([try service("web"), try pod("cart", at: "10.244.1.7")])], second)
        #expect(names(board) == [Self.web])
        _ = board.take([.listed([try service("till")])], third)
        #expect(names(board) == ["till.shop.svc.cluster.local."])
    }

    @Test("it is ready when the server has the names, and not when only the board has them")
    func ready() throws {
        let board = board()
        let turn = try use(board, pods: .disabled)[0]
        func status() -> Int { board.answer(HTTPQuestion(path: "/ready"), shows: { _ in true }).status }
        #expect(status() == 503)
        let news = try #require(board.take([.listed([])], turn))
        #expect(news.isFirst && news.isChanged)
        #expect(status() == 503)
        var served = ServedNames()
        #expect(board.put(into: &served))
        board.beginServing()
        #expect(status() == 200)
    }

    @Test("a turn ends when the next one has listed, and not before")
    func ends() async throws {
        let board = board()
        let first = try use(board, pods: .disabled)[0]
        _ = board.take([.listed([])], first)
        let second = try use(board, pods: .verified)[0]
        _ = board.take([.listed([])], second)
        // It would wait for ever if nobody ended it.
        for await _ in first.end {}
    }

    @Test("the networks of nodes and their pods are not limited, as they are now; before they are known nobody is")
    func networks() throws {
        let board = board()
        let follower = try NameConfigurationFollower(
            nil, listening: [], logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), override: { _ in })
        board.note(follower)
        #expect(try use(board, pods: .disabled).map { $0.collections[0].resource.plural } == ["services", "nodes"])
        func exempt() -> [String]? {
            var served = ServedNames()
            _ = board.put(into: &served)
            let usual = ResponseLimit.privateNetworks.count
            return served.responseLimit.map { $0.exempt.dropFirst(usual).map(\.description) }
        }
        #expect(exempt() == nil)
        func node(_ number: Int) throws -> any KubernetesObject {
            try object(
                #"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n\#(number)"}, "spec": {"podCIDRs": ["198.51.\#(number).0/24"]}, "status": {"addresses": [{"type": "InternalIP", "address": "203.0.113.\#(number)"}, {"type": "Hostname", "address": "n\#(number)"}]}}"#
            )
        }
        #expect(board.take(nodes: [.listed([try node(1)])]).isChanged)
        #expect(exempt() == ["198.51.1.0/24", "203.0.113.1/32"])
        #expect(!board.take(nodes: [.modified(try node(1))]).isChanged)
        #expect(board.take(nodes: [.added(try node(2)), .deleted(try node(1).key, uid: "")]).isChanged)
        #expect(exempt() == ["198.51.2.0/24", "203.0.113.2/32"])
    }
}
