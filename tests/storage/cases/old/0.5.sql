-- 0.5.x as root, taken over from anm: root directories cut short at the first - or ., minutes kept as seconds, a
-- wallet that is a single letter, metrics ports counted from 13000, a row called DEAD, columns of another order.
CREATE TABLE machine (id INTEGER PRIMARY KEY, process_manager TEXT, rewards_address TEXT, donate_address TEXT,
  node_cap INTEGER, cpu_less_than INTEGER, cpu_remove INTEGER, mem_less_than INTEGER, mem_remove INTEGER,
  hd_less_than INTEGER, hd_remove INTEGER, delay_start INTEGER, delay_restart INTEGER, delay_upgrade INTEGER,
  delay_remove INTEGER, node_storage TEXT, port_start INTEGER, metrics_port_start INTEGER, no_upnp INTEGER,
  host TEXT, crisis_bytes INTEGER, environment TEXT, start_args TEXT, action_delay INTEGER, survey_delay INTEGER,
  antctl_path TEXT, antctl_version TEXT, highest_node_id_used INTEGER);
INSERT INTO machine VALUES (1, 'systemd+sudo', 'e', '0x00455d78f850b0358E8cea5be24d415E01E107CF', 40, 85, 80, 70, 120,
  70, 0, 5, 600, 5, 300, '/var/antctl/services', 55, 13000, 1, '127.0.0.1', 2000000000, '', '', 0, 0,
  '~/.local/bin/antctl', 'None', 0);
CREATE TABLE node (id INTEGER PRIMARY KEY, manager_type TEXT, node_name VARCHAR(10), service TEXT, user TEXT,
  binary TEXT, version TEXT, root_dir TEXT, log_dir TEXT, port INTEGER, metrics_port INTEGER, network TEXT,
  wallet TEXT, peer_id TEXT, status TEXT, timestamp INTEGER, age INTEGER, host TEXT);
INSERT INTO node VALUES
  (1, 'systemd', '001', 'antnode001.service', 'ant', '/mnt/disk-1/antnode001/antnode', '0.4.16', '/mnt/disk', NULL,
   55001, 13001, '--log-output-dest', '0x1111111111111111111111111111111111111111', '', 'STOPPED', 1795000000, 0,
   '127.0.0.1'),
  (2, 'systemd', '0002', 'antnode0002.service', 'ant', '/var/antctl/services/antnode0002/antnode', '',
   '/var/antctl/services/antnode0002', NULL, 55002, 13002, 'evm-arbitrum-one',
   '0x1111111111111111111111111111111111111111', '', 'DEAD', 1795000000, 1760000000, '127.0.0.1');
