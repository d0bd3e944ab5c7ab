import KubeAPI
import NIOHTTP1
import Testing

@testable import APIServer

/// `v1` and `events.k8s.io/v1` show the same events.
@Suite("events in both forms", .timeLimit(.minutes(5)))
struct EventFormTests {
    private static let older = "/api/v1/namespaces/default/events"
    private static let newer = "/apis/events.k8s.io/v1/namespaces/default/events"

    @Test("an event of either form is seen in both, changed and deleted through either")
    func both() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let made = try await client.ask(
                    .POST, Self.older,
                    #"{"metadata":{"name":"a"},"involvedObject":{"kind":"Pod","name":"p"},"message":"m","count":2,"reason":"R","source":{"component":"kubelet"},"firstTimestamp":"2030-01-01T00:00:00Z","reportingComponent":"kubelet"}"#
                )
                #expect(made.status == 201 && made["apiVersion"] == "v1", "\(made.body)")
                let new = try await client.ask(
                    .POST, Self.newer,
                    #"{"metadata":{"name":"b"},"regarding":{"kind":"Pod","name":"p"},"note":"n","eventTime":"2030-01-01T00:00:00.000001Z","reportingController":"x.org/c","reportingInstance":"c-0","action":"Do","reason":"Done","type":"Normal"}"#
                )
                #expect(new.status == 201 && new["note"] == "n" && new["message"] == nil, "\(new.body)")
                let a = try await client.ask(.GET, Self.newer + "/a")
                #expect(a["apiVersion"] == "events.k8s.io/v1" && a["note"] == "m" && a.body.contains(#""deprecatedCount":2"#))
                let b = try await client.ask(.GET, Self.older + "/b")
                #expect(b["apiVersion"] == "v1" && b["message"] == "n" && b["reportingComponent"] == "x.org/c")
                let patched = try await client.ask(
                    .PATCH, Self.newer + "/a", #"{"note":"changed"}"#, headers: [("Content-Type", "application/merge-patch+json")]
                )
                #expect(patched["note"] == "changed")
                #expect(try await client.ask(.GET, Self.older + "/a")["message"] == "changed")
                for (path, kind) in [(Self.older, "EventList"), (Self.newer, "EventList")] {
                    let list = try await client.ask(.GET, path)
                    #expect(list["kind"] == kind)
                    #expect(list.body.contains(path == Self.older ? "involvedObject" : "regarding"))
                    #expect(!list.body.contains(path == Self.older ? "regarding" : "involvedObject"))
                }
                let picked = try await client.ask(.GET, Self.newer + "?fieldSelector=regarding.name%3Dp,reason%3DDone")
                #expect(picked.body.contains(#""note":"n""#) && !picked.body.contains("changed"))
                #expect(try await client.ask(.DELETE, Self.newer + "/a").status == 200)
                #expect(try await client.ask(.GET, Self.older + "/a").status == 404)
            }
        }
    }

    @Test("the newer form asks for who, what and when; the older one does not")
    func required() async throws {
        try await withServer { port, _ in
            try await Client.with(port: port) { client in
                let refused = try await client.ask(.POST, Self.newer, #"{"metadata":{"name":"a"}}"#)
                #expect(refused.status == 422)
                for field in ["eventTime", "reportingController", "reportingInstance", "action", "reason"] {
                    #expect(refused.body.contains("\(field): Required value"), "\(refused.body)")
                }
                let taken = try await client.ask(.POST, Self.older, #"{"metadata":{"name":"a"},"involvedObject":{}}"#)
                #expect(taken.status == 201)
            }
        }
    }

    @Test("a table of either form says the same")
    func tables() throws {
        let event = tree(
            #"{"metadata":{"name":"a"},"involvedObject":{"kind":"Pod","name":"p"},"message":"m","reason":"R","lastTimestamp":"2001-09-09T01:46:30Z"}"#
        )
        let kinds = ServedKinds.all.filter { $0.kind == "Event" }
        #expect(kinds.count == 2)
        let now = APIServer.Timestamp(seconds: 1_000_000_000)
        let rows = kinds.map { kind in Table(of: [kind.isNewEvent ? EventForm.shown(event) : event], kind, now: now).rows[0].cells
        }
        #expect(rows[0] == rows[1])
    }
}
