# The container of the shop, as record.sh starts it: shop.sh HERE OUTPUT DURATION
here=$1 output=$2 duration=$3
mount -t tmpfs cgroups /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory &&
    mount -t cgroup -o memory memory /sys/fs/cgroup/memory || exit
metrics serve --name shop-1 --listen 127.0.0.1:8080 --interval 2s --statsd 8125 --alert default \
    --alert 'memory filling: memory > 70% for 10s clear < 65' \
    --alert 'swapping: swapIn > 1MiB/s for 10s clear < 256KiB/s' \
    --alert 'killed: oomKills > 0/s clear <= 0' > /dev/null &
supervisor "$here/supervisor.py" orders-api "$here/orders_api.py" &
sleep 40
metrics record -o "$output" --force --duration "$duration" 127.0.0.1:8080
