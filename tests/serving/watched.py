# SPDX-License-Identifier: Apache-2.0
"""A server that is looked after."""

import threading

from vcf_contract.errors import SetupError
from vcf_server.server import TritonServer
from vcf_server.supervisor import Policy, Supervisor


class Watched:
    """A server under a supervisor in a thread, which ends with the server's last end."""

    def __init__(self, one_model, policy=None):
        self.server = TritonServer(one_model).start()
        self.said, self.end = [], None
        self._supervisor = Supervisor(self.server, policy or Policy(), self.said.append)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self._supervisor.run()
        except (SetupError, RuntimeError) as error:  # RuntimeError: the test has stopped the server
            self.end = str(error)

    def join(self, limit_s=60):
        self._thread.join(limit_s)
        assert not self._thread.is_alive()

    def close(self):
        self._supervisor._policy = Policy(server=False)
        self.server.stop()
        self.join()
