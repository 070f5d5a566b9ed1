from ollamon.helper import drm
from tests.helper.trees import plant

FOLDER = "class/drm"


def test_cards_come_in_the_order_of_their_numbers_and_connectors_are_none(tmp_path):
    names = ("card10", "card2", "card2-DP-1", "renderD128", "card3")
    plant(tmp_path, {f"{FOLDER}/{name}/device/vendor": "0x8086" for name in names})
    plant(tmp_path, {f"{FOLDER}/card3/device/vendor": "0x10de"})
    found = [device.parent.name for device in drm.cards(tmp_path, "0x8086")]
    assert found == ["card2", "card10"]


def test_a_card_sleeps_when_its_driver_says_so(tmp_path):
    assert not drm.is_asleep(tmp_path)
    plant(tmp_path, {"power/runtime_status": "active"})
    assert not drm.is_asleep(tmp_path)
    plant(tmp_path, {"power/runtime_status": "suspended"})
    assert drm.is_asleep(tmp_path)


def test_its_sensors_are_in_the_one_folder_that_is_there(tmp_path):
    assert not drm.sensors(tmp_path).exists()
    plant(tmp_path, {"hwmon/hwmon7/name": "xe"})
    assert drm.sensors(tmp_path) == tmp_path / "hwmon" / "hwmon7"
