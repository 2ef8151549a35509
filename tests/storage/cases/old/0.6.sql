-- 0.6.x under systemd+user: a weighted wallet, a storage folder with ~, a cap below zero, a disabled node.
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('fa0ca0abff5c');
CREATE TABLE machine (id INTEGER PRIMARY KEY, cpu_count INTEGER NOT NULL, node_cap INTEGER NOT NULL,
  cpu_less_than INTEGER, mem_less_than INTEGER, hd_less_than INTEGER, hdio_read_less_than INTEGER,
  hdio_write_less_than INTEGER, netio_read_less_than INTEGER, netio_write_less_than INTEGER, cpu_remove INTEGER,
  mem_remove INTEGER, hd_remove INTEGER, hdio_read_remove INTEGER, hdio_write_remove INTEGER,
  netio_read_remove INTEGER, netio_write_remove INTEGER, max_load_average_allowed FLOAT, desired_load_average FLOAT,
  delay_start INTEGER, delay_restart INTEGER, delay_upgrade INTEGER, delay_remove INTEGER, survey_delay INTEGER,
  action_delay INTEGER, node_storage TEXT, rewards_address TEXT, donate_address TEXT, port_start INTEGER,
  metrics_port_start INTEGER, rpc_port_start INTEGER, highest_node_id_used INTEGER, last_stopped_at INTEGER,
  host TEXT, crisis_bytes INTEGER, environment TEXT, start_args TEXT, max_concurrent_upgrades INTEGER,
  max_concurrent_starts INTEGER, max_concurrent_removals INTEGER, max_concurrent_operations INTEGER,
  node_removal_strategy TEXT, process_manager TEXT, max_node_per_container INTEGER, min_container_count INTEGER,
  docker_image TEXT, no_upnp INTEGER, antnode_path TEXT, antctl_path TEXT, antctl_debug INTEGER, antctl_version TEXT);
INSERT INTO machine VALUES (1, 2, -5, 50, 60, 75, 0, 0, 0, 0, 70, 75, 90, 0, 0, 0, 0, 2.0, 1.2, 300, 600, 300, 90,
  50, 200, '~/nodes', '0x1111111111111111111111111111111111111111:100,faucet:1,donate:10',
  '0x2222222222222222222222222222222222222222', 47, 48, 30, NULL, 1795261138, '127.0.0.1', 2000000000, 'A=1 B=2', '',
  2, 3, 1, 4, 'youngest', 'systemd+user', 200, 1, 'iweave/antnode:latest', 0, '~/.local/bin/antnode',
  '~/.local/bin/antctl', 0, NULL);
CREATE TABLE container (id INTEGER PRIMARY KEY, machine_id INTEGER, container_id VARCHAR(64), name TEXT);
CREATE TABLE node (id INTEGER PRIMARY KEY, machine_id INTEGER NOT NULL REFERENCES machine (id), container_id INTEGER,
  manager_type TEXT NOT NULL, node_name VARCHAR(10) NOT NULL, service TEXT NOT NULL, user VARCHAR(24) NOT NULL,
  binary TEXT NOT NULL, version TEXT, root_dir TEXT NOT NULL, log_dir TEXT, port INTEGER NOT NULL,
  metrics_port INTEGER NOT NULL, rpc_port INTEGER NOT NULL, network TEXT NOT NULL, wallet VARCHAR(42),
  peer_id VARCHAR(52), status VARCHAR(32) NOT NULL, timestamp INTEGER NOT NULL, records INTEGER, uptime INTEGER,
  shunned INTEGER, rewards TEXT, age INTEGER NOT NULL, host TEXT NOT NULL, method TEXT, layout TEXT, environment TEXT);
CREATE INDEX ix_node_status ON node (status);
INSERT INTO node VALUES
  (1, 1, NULL, 'systemd+user', '0001', 'antnode0001.service', 'ant', '~/nodes/antnode0001/antnode', '0.4.17',
   '~/nodes/antnode0001', NULL, 47001, 48001, 30001, 'evm-arbitrum-one',
   '0x1111111111111111111111111111111111111111', '12D3KooWQCkBm1BYtkHpocxCwMgR8yjitEeHGx8spzcDLGt2gkBm', 'RUNNING',
   1795273952, 12, 3600, 0, '0', 1760000000, '127.0.0.1', 'systemd+user', '1', 'A=1 B=2'),
  (2, 1, NULL, 'systemd+user', '0002', 'antnode0002.service', 'ant', '~/nodes/antnode0002/antnode', '0.4.16',
   '~/nodes/antnode0002', NULL, 47002, 48002, 30002, 'evm-arbitrum-one',
   '0x00455d78f850b0358E8cea5be24d415E01E107CF', '', 'DISABLED', 1795273950, 0, 0, 0, '0', 1760000100, '127.0.0.1',
   'systemd+user', '1', 'A=1 B=2');
