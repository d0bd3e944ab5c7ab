/// What a person can read about each subcommand, in lines of at most 80 columns.
enum Help {
    enum Topic: String, CaseIterable {
        case pause, run, container, echo, ask, stream, probe, ping, idle, `init`
    }

    static var text: String {
        """
        \(Main.version): makes the namespaces of a pod and holds them, runs commands in
        them, and is the pod's server and client.

        tulle-pod pause       makes namespaces and holds them
        tulle-pod run         runs a command in the namespaces of a process
        tulle-pod container   runs a command as a container, and keeps its log
        tulle-pod echo        answers every line, datagram and HTTP request
        tulle-pod ask         asks once, and says how long the answer took
        tulle-pod stream      asks again and again, and counts what is lost
        tulle-pod probe       connects as a kubelet's probe does
        tulle-pod ping        asks many addresses by ICMP, over both families
        tulle-pod idle        does nothing until it is asked to end
        tulle-pod init        runs a command under a process 1 of its own

        Each says more: tulle-pod pause --help. A wrong command line exits 64.

        """
    }

    static func text(of topic: Topic) -> String {
        switch topic {
        case .pause: pause
        case .run: run
        case .container: container
        case .echo: echo
        case .ask: ask
        case .stream: stream
        case .probe: probe
        case .ping: ping
        case .idle: idle
        case .`init`: initial
        }
    }
}

extension Help {
    private static let pause = """
        tulle-pod pause [--new net,mnt,uts,pid,ipc] [--hostname NAME] [--ready-fd N]

        Makes new namespaces, brings up lo in a new net, mounts /proc in a new mnt with
        a new pid, prints the process id that holds them, and holds them until SIGTERM
        or SIGINT. It ends when the process that started it ends, however that ends.

          --new LIST        which ones are new [default: net,mnt,uts,pid,ipc]
          --hostname NAME   the host name in a new uts, of at most 64 bytes
          --ready-fd N      the descriptor that gets the process id [default: 1]

            tulle-pod pause --hostname web-0 --new net,uts

        """

    private static let run = """
        tulle-pod run --join PID [--namespaces net,mnt,uts,pid,ipc]
                      [--mount SOURCE:TARGET[:ro] …] [--workdir DIRECTORY]
                      [--user USER[:GROUP]] [--tty] -- COMMAND [ARGUMENT …]

        Runs a command in the namespaces of a process.

          --join PID            whose namespaces
          --namespaces LIST     which of them [default: those that differ from ours]
          --mount SOURCE:TARGET a file or directory that the command sees in the place
                                of another that is there; with pid and without mnt
          --workdir DIRECTORY   where the command starts
          --user USER[:GROUP]   who it runs as, in numbers
          --tty                 makes standard input, a terminal, the one that
                                controls the command

        Exits as the command does; 128 + n when signal n ended it; 127 when there is no
        such command, 126 when it cannot be run, 125 when the namespaces cannot be
        entered.

            tulle-pod run --join 1234 -- ip address

        """

    private static let container = """
        tulle-pod container --join PID --root DIRECTORY [--namespaces net,uts,ipc,pid]
                            [--mount SOURCE:TARGET[:ro] …] [--read-only]
                            [--workdir DIRECTORY] [--user USER[:GROUP]]
                            [--log FILE [--log-limit BYTES]] [--terminal N]
                            [--report-fd N] -- COMMAND [ARGUMENT …]

        Runs a command as process 1 of a container: PID and mount namespaces of its
        own, the others of the pod. Its root is the host's, and what it writes is
        forgotten with it.

          --join PID              the process that holds the pod's namespaces
          --root DIRECTORY        where the root is made; is empty and stays so
          --namespaces LIST       the pod's namespaces that it shares; with pid
                                  [default: net,uts,ipc,pid]
          --mount SOURCE:TARGET   a file or directory of the host; read only with :ro
          --read-only             nothing of the root can be written
          --workdir DIRECTORY     where the command starts
          --user USER[:GROUP]     who it runs as, in numbers
          --log FILE              what it says, in the form of the CRI; a full file
                                  becomes FILE.1
          --log-limit BYTES       when a file is full [default: 10485760]
          --terminal N            standard input is the command's terminal; what is
                                  kept in the log comes from this descriptor
          --report-fd N           a descriptor that gets “pid NUMBER” and ends when the
                                  command runs, or gets “error WHY”

        Exits as the command does. SIGUSR2 kills it; other signals are handed on.

            tulle-pod container --join 1234 --root /tmp/empty \\
                --mount /srv/www:/data:ro -- ls /data

        """

    private static let echo = """
        tulle-pod echo [--tcp PORT …] [--udp PORT …] [--name NAME] [--node NODE]

        Answers, over IPv4 and IPv6, every line, datagram and HTTP request with one
        line: who answers, whom it sees, on which address, and what was asked. Port 0
        takes a free one; each port is printed when it is open.

          --name NAME   who answers [default: the host name]
          --node NODE   on which node [default: -]

            tulle-pod echo --tcp 80 --udp 53 --name web-0 --node node-1
            printf 'hello\\n' | nc 192.0.2.7 80
            pod=web-0 node=node-1 protocol=tcp client=192.0.2.9:40312 ⏎
            local=192.0.2.7:80 request=hello

        """

    private static let ask = """
        tulle-pod ask --tcp|--udp ADDRESS PORT [--message TEXT]
                      [--timeout MILLISECONDS]

        Sends one line, and prints a line of figures and the answer.

          --message TEXT           what is asked [default: hello]
          --timeout MILLISECONDS   how long an answer may take [default: 2000]

        Exits 0 when answered, 1 when refused, 2 when nothing came in time, 3 when
        there is no way there.

            tulle-pod ask --tcp 192.0.2.7 80 --message hello
            rtt_us=184 local=192.0.2.9:40314
            pod=web-0 node=node-1 protocol=tcp client=192.0.2.9:40314 ⏎
            local=192.0.2.7:80 request=hello

        """

    private static let stream = """
        tulle-pod stream --tcp|--udp ADDRESS PORT [--interval MILLISECONDS]
                         [--message TEXT] [--timeout MILLISECONDS]

        Asks again and again until SIGTERM or SIGINT, each time over a socket of its
        own; over TCP also on one connection that stays open. Standard output, when it
        is a file, holds how many questions were asked, answered and lost, and what
        became of the first that was lost.

          --interval MILLISECONDS  the time between them [default: 20]
          --message TEXT           what is asked [default: hello]
          --timeout MILLISECONDS   how long an answer may take [default: 2000]

            tulle-pod stream --tcp 192.0.2.7 80 >figures
            asked=118 answered=118 lost=0

        """

    private static let probe = """
        tulle-pod probe --tcp|--http PATH ADDRESS PORT [--header NAME:VALUE …]
                        [--timeout MILLISECONDS] [--join PID]

        Connects, or asks over HTTP, as a kubelet's probe does.

          --tcp                    to connect is enough
          --http PATH              a GET of this path is answered with 200 to 399
          --header NAME:VALUE      a header of the request; may be given again
          --timeout MILLISECONDS   how long all of it may take [default: 1000]
          --join PID               from the network namespace of this process

        Exits 0 when the probe succeeds, and else 1 and says why.

            tulle-pod probe --http /healthz 192.0.2.7 80

        """

    private static let ping = """
        tulle-pod ping [--join PID] [--count N] [--timeout MILLISECONDS]
                       [--interval MILLISECONDS] ADDRESS …

        Asks each address by ICMP echo, one after the other, and prints a line for
        each: how many questions were sent and answered, and the shortest and the
        median round trip.

          --join PID                from the network namespace of this process
          --count N                 how often each is asked, 1 to 1000 [default: 3]
          --timeout MILLISECONDS    how long the last answers may take
                                    [default: 1000]
          --interval MILLISECONDS   how long a round takes when answers are missing
                                    [default: 200]

        Exits 0 when every question was answered, and else 1.

            tulle-pod ping 192.0.2.7 2001:db8::7
            192.0.2.7 sent=3 received=3 min_us=41 median_us=55
            2001:db8::7 sent=3 received=3 min_us=43 median_us=60

        """

    private static let initial = """
        tulle-pod init --lock FILE -- COMMAND [ARGUMENT …]

        Leaves its caller, and runs a command under a process 1 of its own in new PID
        and mount namespaces: with process 1 everything in there ends.

          --lock FILE   an absolute path. Process 1 holds a lock on it (fcntl), which
                        names it to whoever asks; exits 3 when another one does

        Returns when process 1 runs. The command is started again when a signal ends
        it or it exits 75, with TULLE_RESTARTS in its environment; otherwise its end
        is the end of all.

            tulle-pod init --lock /run/sleep.pid -- sleep 1000

        """

    private static let idle = """
        tulle-pod idle

        Does nothing until SIGTERM or SIGINT.

        """
}
