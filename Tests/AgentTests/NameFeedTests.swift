import Addressing
import Cluster
import DNS
import KubeAPI
import KubeClient
import NameServer
import Plan
import Testing

@testable import Agent

@Suite("names fed with objects") struct NameFeedTests {
    private func object(_ text: String) throws -> any KubernetesObject {
        try #require(Registry.standard.read(try JSONReader().value(text)).object, "\(text)")
    }

    private func pod(_ name: String, at addresses: String..., spec: String = "", phase: String = "Running") throws
        -> any KubernetesObject
    {
        let list = addresses.map { #"{"ip": "\#($0)"}"# }.joined(separator: ", ")
        return try object(
            #"""
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\#(name)", "namespace": "shop"}, "spec": {\#(spec)},
             "status": {"phase": "\#(phase)", "podIPs": [\#(list)]}}
            """#)
    }

    private func service(_ name: String, _ spec: String) throws -> any KubernetesObject {
        try object(
            #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\#(name)", "namespace": "shop"}, "spec": {\#(spec)}}"#
        )
    }

    private func slice(_ service: String, _ address: String) throws -> any KubernetesObject {
        try object(
            #"""
            {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
             "metadata": {"name": "\#(service)-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "\#(service)"}},
             "endpoints": [{"addresses": ["\#(address)"]}]}
            """#)
    }

    private func clients(_ feed: NameFeed, _ addresses: String...) -> [String?] {
        var served = ServedNames()
        feed.put(into: &served)
        return addresses.map { address in IPAddress(address).flatMap { served.clients?[$0] }?.name }
    }

    @Test("an address is its pod's; of two that claim it nobody's, until one is left")
    func clients() throws {
        var feed = NameFeed(NamePlan(), knowsClients: true)
        _ = feed.take([.listed([try pod("a", at: "192.0.2.1", "2001:db8::1"), try pod("b", at: "192.0.2.2")])])
        #expect(clients(feed, "192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3") == ["shop/a", "shop/a", "shop/b", nil])
        #expect(feed.take([.added(try pod("c", at: "192.0.2.1")), .added(try pod("d", at: "192.0.2.1", "192.0.2.1"))]) == true)
        #expect(clients(feed, "192.0.2.1", "2001:db8::1") == [nil, "shop/a"])
        #expect(feed.take([.modified(try pod("a", at: "192.0.2.9"))]) == true)
        #expect(clients(feed, "192.0.2.1", "2001:db8::1", "192.0.2.9") == [nil, nil, "shop/a"])
        #expect(feed.take([.modified(try pod("c", at: "192.0.2.1", phase: "Failed"))]) == true)
        #expect(clients(feed, "192.0.2.1") == ["shop/d"])
        #expect(feed.take([.modified(try pod("d", at: "192.0.2.1", "192.0.2.1"))]) == false, "nothing has changed")
        #expect(feed.take([.deleted(try pod("d", at: "192.0.2.1").key, uid: "")]) == true)
        #expect(clients(feed, "192.0.2.1") == [nil])
        // Two that come and go within one turn of events.
        let host = try pod("host", at: "192.0.2.7", spec: #""hostNetwork": true"#)
        _ = feed.take([.added(try pod("e", at: "192.0.2.7")), .added(host), .deleted(try pod("b", at: "192.0.2.2").key, uid: "")])
        #expect(clients(feed, "192.0.2.7", "192.0.2.2") == ["shop/e", nil], "a node's address is nobody's own")
        _ = feed.take([.listed([try pod("b", at: "192.0.2.7")])])
        #expect(clients(feed, "192.0.2.7", "192.0.2.9") == ["shop/b", nil])
    }

    @Test("each pod has its own search list, though most have the same")
    func searches() throws {
        var feed = NameFeed(NamePlan(), knowsClients: true)
        let own = #""dnsPolicy": "None", "dnsConfig": {"searches": ["a.example"], "options": [{"name": "ndots", "value": "2"}]}"#
        _ = feed.take([
            .listed([
                try pod("a", at: "192.0.2.1"), try pod("b", at: "192.0.2.2", spec: own), try pod("c", at: "192.0.2.3"),
                try pod("d", at: "192.0.2.4", spec: #""dnsPolicy": "Default""#),
            ])
        ])
        var served = ServedNames()
        feed.put(into: &served)
        let lists = (1...4).map { number in
            served.clients?[.v4(IPv4Address(192, 0, 2, number))]?.searchList.map(\.description) ?? []
        }
        let usual = ["shop.svc.cluster.local.", "svc.cluster.local.", "cluster.local."]
        #expect(lists == [usual, ["a.example."], usual, []])
    }

    @Test("events that come together are as those that come one by one, and what means nothing changes nothing")
    func together() throws {
        let events: [ObjectEvent] = [
            .added(try slice("db", "192.0.2.1")), .added(try service("db", #""clusterIP": "None""#)),
            .modified(try slice("db", "192.0.2.2")), .added(try service("web", #""clusterIP": "10.96.0.1""#)),
            .added(try slice("web", "192.0.2.3")), .added(try service("gone", #""clusterIP": "10.96.0.2""#)),
            .deleted(try service("gone", #""clusterIP": "10.96.0.2""#).key, uid: ""), .modified(try slice("db", "192.0.2.4")),
        ]
        var (one, other) = (NameFeed(NamePlan(), knowsClients: false), NameFeed(NamePlan(), knowsClients: false))
        _ = one.take([.listed([])])
        _ = other.take([.listed([])])
        for event in events { _ = one.take([event]) }
        #expect(other.take(events) == true)
        let records = { (feed: NameFeed) in feed.zones.all.flatMap { $0.records.map(\.description) } }
        #expect(records(one) == records(other) && one.serviceCount == 2 && other.serviceCount == 2)
        #expect(records(one).contains { $0.contains("192-0-2-4.db.shop") && $0.hasSuffix(" A 192.0.2.4") })
        // Nobody is told by name who is behind an address.
        #expect(one.take([.modified(try slice("web", "192.0.2.9"))]) == false)
        #expect(one.take([.deleted(try slice("web", "192.0.2.9").key, uid: "")]) == false)
    }

    // One of the two cannot be served, and nobody was told.
    @Test("a custom alias at a name that a service has is told with its place, as long as both are there")
    func aliases() throws {
        let document = """
            zones:
              - name: db.shop.svc.cluster.local
                text: |
                  @        CNAME other.example.org.
                  archive  CNAME archive.example.org.
              - name: shop.svc.cluster.local
                file: /names/shop.zone
            """
        let configuration = try NameServerConfiguration(document) { _ in
            .text("; aliases\nout IN CNAME new.example.org.\nweb IN CNAME same.example.org.\n")
        }
        var feed = NameFeed(NamePlan(), knowsClients: false)
        feed.use(configuration.custom)
        _ = feed.take([.listed([])])
        #expect(feed.problems.isEmpty)
        // Without endpoints it has no name yet.
        _ = feed.take([.added(try service("db", #""clusterIP": "None""#))])
        #expect(feed.problems.isEmpty)
        _ = feed.take([
            .added(try slice("db", "192.0.2.1")),
            .added(try service("out", #""type": "ExternalName", "externalName": "old.example.org""#)),
        ])
        #expect(
            feed.problems.map { "\($0.id.rawValue) \($0.subject?.description ?? "") \($0.message)" } == [
                "name-alias-hidden Service shop/db names.yaml:4:7: the alias db.shop.svc.cluster.local. is not told: "
                    + "the cluster's records at this name are",
                "name-alias-hidden Service shop/out /names/shop.zone:2: the alias out.shop.svc.cluster.local. is told in place of the "
                    + "one that spec.externalName asks for",
            ])
        let records = feed.zones.all.flatMap { $0.records.map(\.description) }
        #expect(records.filter { $0.hasPrefix("db.shop") } == ["db.shop.svc.cluster.local. 5 IN A 192.0.2.1"])
        #expect(records.filter { $0.hasPrefix("out.shop") } == ["out.shop.svc.cluster.local. 3600 IN CNAME new.example.org."])
        _ = feed.take([
            .deleted(try slice("db", "192.0.2.1").key, uid: ""), .deleted(try service("out", "").key, uid: ""),
        ])
        #expect(feed.problems.isEmpty)
    }
}
